"""Which host joins or leaves, and what the others serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raab.deploy.membership.member import apart, kept, served
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts, parse
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.errors import RaabError

ONE, OTHER = "20260101T000000Z-aaaaaaa", "20260102T000000Z-bbbbbbb"
BARE = {
    "python": "3.11.2", "implementation": "CPython", "libc": "glibc 2.36", "machine": "x86_64", "system": "Debian", "uid": 0, "time": 0,
    "disk_free": 1, "disk_total": 1, "inodes_free": None, "systemd": 252, "executable": "/usr/bin/python3",
}  # fmt: skip


def serving(release: str, **more: Any) -> HostFacts:
    there = {"id": release, "complete": True, "content": "c", "version": "1", "commit": "a" * 40, "lock": "1" * 64}
    told = {"releases": [there], "current": release, "verdicts": {release: "serving"}, "service": {"ActiveState": "active"}}
    return parse({**BARE, **told, **more})


def environment(*names: str) -> Environment:
    hosts = tuple(Host(name, name, 22, "", "", "", ("app",)) for name in names)
    return Environment("prod", hosts, False, File(hosts=Hosts(False, {name: HostEntry() for name in names})))


def test_the_others_serve_one_release() -> None:
    assert served({"web1": serving(ONE), "web2": serving(ONE)}) == ONE


@pytest.mark.parametrize(
    ("more", "got"),
    [(serving(OTHER), f"web2: {OTHER}"), (serving(ONE, service={"ActiveState": "failed"}), "web2: nothing that is proved")],
)
def test_a_host_that_joins_hosts_which_serve_no_one_release_is_refused(more: HostFacts, got: str) -> None:
    with pytest.raises(RaabError, match=got):
        served({"web1": serving(ONE), "web2": more})


def test_somebody_else_serves_while_a_host_joins_or_leaves() -> None:
    host, others = apart(environment("web1", "web2", "web3"), "web2")
    assert host.name == "web2" and [other.name for other in others] == ["web1", "web3"]
    with pytest.raises(RaabError, match="no other host that runs the service, got web1 alone"):
        apart(environment("web1"), "web1")
    with pytest.raises(RaabError, match="no such host"):
        apart(environment("web1", "web2"), "web9")


def test_what_this_machine_has_no_bundle_of_it_cannot_bring(tmp_path: Path) -> None:
    with pytest.raises(RaabError, match=f"no bundle of what the others serve, got {ONE}"):
        kept(tmp_path, ONE)
