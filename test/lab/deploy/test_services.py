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


def test_three_services_on_one_host_do_not_notice_each_other(host: Host, look: Any) -> None:
    """Deploy, rollback, a broken release, a restart, a removal: what is done to one loses no request of the others. A name, and an address,
    that somebody else has is refused, and nothing is written."""
    host.shell.run("useradd --system other; mkdir /opt/third && touch /opt/third/file")
    before = look(host.shell)
    for name, why in (("other", "got the user other, the group other"), ("third", "got /opt/third with file")):
        host.project.environment(name, f"hosts: lab\nname: {name}\n")
        assert f"service {name}: the host has something of that name that is not raab's, {why}" in host.fab("deploy", name, expect=5).out
    assert look(host.shell) == before
    for name in SERVICES:
        host.fab("deploy", name)
    first = {name: host.card(name)["release"] for name in SERVICES}
    told = json.loads(host.shell.run("raab status --json").out)
    assert {name: status["pid"] for name, status in told.items()} == {name: int(host.master(name)) for name in SERVICES}
    host.project.environment("fourth", "hosts: lab\nname: fourth\n")
    refused = host.fab("deploy", "fourth", expect=5).out
    assert "server.bind: 0.0.0.0:8000 is held by" in refused and "raab.service" in refused
    assert host.shell.run("ls -d /opt/fourth", check=False).out == ""
    host.project.mark("second")
    with host.unnoticed("raab", "blog-2"):
        host.fab("deploy", "shop")
    assert host.card("shop")["mark"] == "second" and host.card("raab")["release"] == first["raab"]
    with host.unnoticed("raab", "blog-2", "shop"):
        host.fab("rollback", "shop")
    host.project.break_app("raise RuntimeError('broken')")
    with host.unnoticed(*SERVICES):
        host.fab("deploy", "blog-2", expect=4)
    with host.unnoticed("shop", "blog-2"):
        host.fab("restart", "raab")
    assert {name: host.card(name)["release"] for name in SERVICES} == first
    with host.unnoticed("raab", "blog-2"):
        host.fab("remove", "shop", "shop", "--yes")
    left = host.shell.run("systemctl is-active shop; ls -d /opt/shop /run/shop*; id -un shop", check=False)
    assert left.out.split() == ["inactive", "shop"]


@pytest.mark.prove
def test_operators_choose_a_service_and_the_last_one_takes_root_s_program_along(host: Host) -> None:
    """Each command of raab with -s; what stays of a service that was removed, and what does not of one that was purged."""
    for name in SERVICES:
        host.fab("deploy", name)
        assert f"{host.master(name)}, up" in host.shell.run(f"raab -s {name} status").out
    assert "workers: 2 -> 3" in host.shell.run("raab -s shop scale +1; raab -s shop scale -1; raab -s blog-2 check").out
    with host.unnoticed("raab", "shop"):
        host.shell.run("systemctl reload blog-2 && systemctl restart blog-2 && raab -s blog-2 drain && raab -s blog-2 undrain")
    host.fab("remove", "shop", "shop", "--yes")
    host.fab("deploy", "shop")
    host.fab("remove", "blog-2", "blog-2", "--yes", "--purge")
    gone = "ls -d /etc/*/blog-2* /etc/blog-2 /var/lib/blog-2 /opt/blog-2; id blog-2; ls /etc/shop/setting.yaml /var/lib/shop"
    found = host.shell.run(gone, check=False).out
    assert "workers.json" in found and "blog-2" not in found
    assert "was not there" in host.fab("remove", "blog-2", "blog-2", "--yes").out
    host.fab("remove", "shop", "shop", "--yes", "--purge")
    host.fab("remove", "raab", "raab", "--yes")
    assert host.shell.run("ls -d /usr/local/lib/raab /usr/local/bin/raab /etc/systemd/system/raab*", check=False).out == ""
