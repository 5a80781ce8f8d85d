"""Several services on one host, each by its name: what is done to one of them is no matter of the others."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from raab.drill.traffic.account import merge
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

# Each with the port that it serves.
SERVICES = {"raab": 8000, "shop": 8001, "blog-2": 8002}
MIX = Mix(fresh=20, reused=20)


class Host:
    """A host of three services; each is an environment of one project."""

    def __init__(self, project: Any, host: LabHost, shell: Shell) -> None:
        self.project, self.host, self.shell = project, host, shell
        for name, port in SERVICES.items():
            project.environment(name, f"hosts: lab\nname: {name}\nservice_port: {port}\nwaves: [100%]\n")
            shell.put(f"/etc/{name}/setting.yaml", f'production: {{server: {{bind: "0.0.0.0:{port}", workers: 2}}}}\n')

    def fab(self, verb: str, name: str, *words: str, expect: int = 0) -> Any:
        return self.project.fab(verb, *words, "--env", name, "--hosts", self.host.name, expect=expect)

    def card(self, name: str) -> Any:
        with urllib.request.urlopen(f"http://{self.host.address}:{SERVICES[name]}/", timeout=10) as answer:
            return json.load(answer)

    def master(self, name: str) -> str:
        return self.shell.run(f"systemctl show --property=MainPID --value {name}").out.strip()

    @contextmanager
    def unnoticed(self, *names: str) -> Iterator[None]:
        """Traffic to these, of which no request fails; their masters stay as well."""
        before = {name: self.master(name) for name in names}
        with ExitStack() as stack:
            loads = [stack.enter_context(Load([(self.host.address, SERVICES[name])], MIX)) for name in names]
            yield
        account = merge(load.account for load in loads)
        assert account.total > 40 and not account.failures, account.line()
        assert {name: self.master(name) for name in names} == before


@pytest.fixture
def host(project: Any, lab: Any) -> Host:
    fresh = lab.fresh()
    return Host(project, fresh, lab.shell(fresh))


def test_three_services_on_one_host_do_not_notice_each_other(host: Host) -> None:
    """Deploy, rollback, a broken release, a restart: what is done to one loses no request of the others."""
    for name in SERVICES:
        host.fab("deploy", name)
    first = {name: host.card(name)["release"] for name in SERVICES}
    host.project.mark("second")
    with host.unnoticed("raab", "blog-2"):
        host.fab("deploy", "shop")
    assert host.card("shop")["mark"] == "second" and host.card("raab")["release"] == first["raab"]
    with host.unnoticed("raab", "blog-2", "shop"):
        host.fab("rollback", "shop")
    assert host.card("shop")["release"] == first["shop"]
    host.project.break_app("raise RuntimeError('broken')")
    with host.unnoticed(*SERVICES):
        host.fab("deploy", "blog-2", expect=4)
    with host.unnoticed("shop", "blog-2"):
        host.fab("restart", "raab")
        host.shell.run("systemctl reload raab && systemctl restart raab")
    with host.unnoticed("raab", "shop"):
        host.shell.run("systemctl reload blog-2")
    assert {name: host.card(name)["release"] for name in SERVICES} == first
