"""Several services on one host, each by its name: what is done to one of them is no matter of the others."""

from __future__ import annotations

import json
import signal
import subprocess
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

# Each with the port that it serves, and the version of raab that its deployer has.
SERVICES = {"raab": 8000, "shop": 8001, "blog-2": 8002}
VERSIONS = {"raab": "1.0", "shop": "9.0", "blog-2": "2.0.1"}
MIX = Mix(fresh=20, reused=20)


class Host:
    """A host of three services; each is an environment of one project."""

    def __init__(self, project: Any, host: LabHost, shell: Shell) -> None:
        self.project, self.host, self.shell = project, host, shell
        for name, port in SERVICES.items():
            project.environment(name, f"hosts: lab\nname: {name}\nservice_port: {port}\nwaves: [100%]\n")
            shell.put(f"/etc/{name}/setting.yaml", f'production: {{server: {{bind: "0.0.0.0:{port}", workers: 2}}}}\n')

    def fab(self, verb: str, name: str, *words: str, expect: int | None = 0) -> Any:
        self.upgrade(VERSIONS.get(name, "0.5"))
        return self.project.fab(verb, *words, "--env", name, "--hosts", self.host.name, expect=expect)

    def interrupt(self, verb: str, name: str, *words: str, after: str) -> None:
        """Ctrl-C when it has said so."""
        command = self.project.command(verb, *words, "--env", name, "--hosts", self.host.name)
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, cwd=self.project.root, env=self.project.environ, **streams) as process:
            assert process.stdout and any(after in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
        assert process.returncode == 130 and "goes on by itself" in said, said

    def upgrade(self, version: str) -> None:
        """Have the deployer be of that version of raab, with another root's program than each other one's."""
        src = self.project.root / "src"
        (src / "raab.egg-info").mkdir(exist_ok=True)
        (src / "raab.egg-info/PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: raab\nVersion: {version}\n")
        file = src / "raab/host/command/drain.py"
        file.write_text(file.read_text().partition("\n# Of ")[0] + f"\n# Of {version}.\n")

    def program(self) -> str:
        """The version of the host's one root's program."""
        return self.shell.run("head -1 /usr/local/lib/raab/__main__.py").out.split(":")[0].split()[-1]

    def card(self, name: str) -> Any:
        with urllib.request.urlopen(f"http://{self.host.address}:{SERVICES[name]}/", timeout=10) as answer:
            return json.load(answer)

    def master(self, name: str) -> str:
        return self.shell.run(f"systemctl show --property=MainPID --value {name}").out.strip()

    @contextmanager
    def unnoticed(self, touched: str, *, served: bool = True) -> Iterator[None]:
        """Traffic to all that are there, of which no request fails, but to the one that is touched where it is not `served`. The masters of
        the others stay, and so does the host's root's program."""
        others = [name for name in SERVICES if name != touched]
        before = {name: self.master(name) for name in others}
        program = self.program()
        with ExitStack() as stack:
            there = [name for name in SERVICES if name in others or self.master(name) != "0"]
            loads = {name: stack.enter_context(Load([(self.host.address, SERVICES[name])], MIX)) for name in there}
            yield
        account = merge(load.account for name, load in loads.items() if served or name != touched)
        assert account.total > 40 and not account.failures, account.line()
        assert {name: self.master(name) for name in others} == before and self.program() == program


@pytest.fixture
def host(project: Any, lab: Any) -> Host:
    fresh = lab.fresh()
    return Host(project, fresh, lab.shell(fresh))


@pytest.mark.timeout(900)
def test_three_services_on_one_host_do_not_notice_each_other(host: Host, look: Any) -> None:
    """Deploy, rollback, a broken release, a restart, a removal: what is done to one loses no request of the others. A name, and an address,
    that somebody else has is refused, and nothing is written. Each has a deployer with a raab of its own version: the host's is the newest
    of them, also when its service goes."""
    host.shell.run("useradd --system other; mkdir /opt/third && touch /opt/third/file")
    before = look(host.shell)
    for name, why in (("other", "got the user other, the group other"), ("third", "got /opt/third with file")):
        host.project.environment(name, f"hosts: lab\nname: {name}\n")
        assert f"service {name}: the host has something of that name that is not raab's, {why}" in host.fab("deploy", name, expect=5).out
    assert look(host.shell) == before
    for name, program in zip(SERVICES, ("1.0", "9.0", "9.0"), strict=True):
        host.fab("deploy", name)
        assert host.program() == program
    first = {name: host.card(name)["release"] for name in SERVICES}
    told = json.loads(host.shell.run("raab status --json").out)
    assert {name: status["pid"] for name, status in told.items()} == {name: int(host.master(name)) for name in SERVICES}
    host.project.environment("fourth", "hosts: lab\nname: fourth\n")
    refused = host.fab("deploy", "fourth", expect=5).out
    assert "server.bind: 0.0.0.0:8000 is held by" in refused and "raab.service" in refused
    assert host.shell.run("ls -d /opt/fourth", check=False).out == ""
    host.project.mark("second")
    with host.unnoticed("raab"):
        host.fab("deploy", "raab")
    assert host.card("raab")["mark"] == "second" and host.card("shop")["release"] == first["shop"]
    with host.unnoticed("raab"):
        host.fab("rollback", "raab")
    host.project.break_app("raise RuntimeError('broken')")
    with host.unnoticed("blog-2"):
        host.fab("deploy", "blog-2", expect=4)
    with host.unnoticed("shop"):
        host.fab("restart", "shop")
    assert {name: host.card(name)["release"] for name in SERVICES} == first
    with host.unnoticed("shop", served=False):
        host.fab("remove", "shop", "shop", "--yes")
    left = host.shell.run("systemctl is-active shop; ls -d /opt/shop /run/shop*; id -un shop", check=False)
    assert left.out.split() == ["inactive", "shop"]


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("touched", SERVICES)
def test_whatever_is_done_to_one_is_no_matter_of_the_others(host: Host, touched: str) -> None:
    """Each of the three in its turn, by a deployer of the oldest, of the newest and of a version between them."""
    for name in SERVICES:
        host.fab("deploy", name)
    for number in range(3):
        host.project.mark(f"{number}")
        with host.unnoticed(touched):
            host.fab("deploy", touched)
        assert host.card(touched)["mark"] == f"{number}"
    for verb, *words in (("rollback",), ("rollback",), ("reload",), ("scale", "+1"), ("scale", "2"), ("restart",), ("doctor",)):
        with host.unnoticed(touched):
            host.fab(verb, touched, *words)
    for statement in ("raise RuntimeError('broken')", "import time; time.sleep(1); import os; os._exit(3)", "import nothing_such"):
        host.project.break_app(statement)
        with host.unnoticed(touched):
            host.fab("deploy", touched, expect=4)
    with host.unnoticed(touched):
        host.shell.run(f"kill -KILL {host.master(touched)}; sleep 2")
    host.project.mark("again")
    with host.unnoticed(touched, served=False):
        host.fab("remove", touched, touched, "--yes")
    with host.unnoticed(touched, served=False):
        host.fab("deploy", touched)
    with host.unnoticed(touched, served=False):
        host.fab("remove", touched, touched, "--yes", "--purge")
    others = [name for name in SERVICES if name != touched]
    host.shell.run(" && ".join(f"systemctl reload {name} && raab -s {name} check" for name in others))


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_operators_choose_a_service_and_the_last_one_takes_root_s_program_along(host: Host) -> None:
    """Each command of raab with -s; what stays of a service that was removed, and what does not of one that was purged."""
    for name in SERVICES:
        host.fab("deploy", name)
        assert f"{host.master(name)}, up" in host.shell.run(f"raab -s {name} status").out
    assert host.shell.run("raab metrics | grep ^raab_up").out.count(" 1\n") == 3
    assert "workers: 2 -> 3" in host.shell.run("raab -s shop scale +1; raab -s shop scale -1; raab -s blog-2 check").out
    with host.unnoticed("blog-2"):
        host.shell.run("systemctl reload blog-2 && systemctl restart blog-2 && raab -s blog-2 drain && raab -s blog-2 undrain")
    slow = "/etc/systemd/system/shop.service.d/slow.conf"
    host.shell.put(slow, "[Service]\nExecStopPost=/bin/sleep 10\n")
    host.shell.run("systemctl daemon-reload")
    host.interrupt("remove", "shop", "shop", "--yes", after="systemctl disable --now shop")
    assert host.shell.run("ls -d /opt/shop/current", check=False).status == 0
    # Nobody has to type it again.
    host.shell.run("for _ in $(seq 300); do test -e /opt/shop || exit 0; sleep 0.1; done; exit 1")
    host.shell.run(f"rm {slow}")
    assert "was not there" in host.fab("remove", "shop", "shop", "--yes").out
    host.fab("deploy", "shop")
    # Something is still the user's, whom userdel(8) then leaves alone.
    host.shell.run("systemd-run --quiet --unit=left --uid=blog-2 sleep infinity")
    refused = host.fab("remove", "blog-2", "blog-2", "--yes", "--purge", expect=None)
    assert refused.code == 1 and "purge: the user blog-2 stays, got userdel: user blog-2 is currently used by process" in refused.err
    host.shell.run("systemctl stop left")
    host.fab("remove", "blog-2", "blog-2", "--yes", "--purge")
    gone = "ls -d /etc/*/blog-2* /etc/blog-2 /var/lib/blog-2 /opt/blog-2; id blog-2; ls /etc/shop/setting.yaml /var/lib/shop"
    found = host.shell.run(gone, check=False).out
    assert "workers.json" in found and "blog-2" not in found
    assert "was not there" in host.fab("remove", "blog-2", "blog-2", "--yes").out
    host.fab("remove", "shop", "shop", "--yes", "--purge")
    host.fab("remove", "raab", "raab", "--yes")
    assert host.shell.run("ls -d /usr/local/lib/raab /usr/local/bin/raab /etc/systemd/system/raab*", check=False).out == ""


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_service_is_taken_off_two_hosts_and_another_one_stays_on_both(project: Any, lab: Any) -> None:
    """Of whom one has lost it already. What it wrote stays on each, and is found again."""
    hosts = lab.hosts(2)
    project.environment("shop", "hosts: lab\nname: shop\nservice_port: 8001\nwaves: [100%]\n")
    shells = [lab.shell(host) for host in hosts]
    for shell in shells:
        shell.put("/etc/shop/setting.yaml", 'production: {server: {bind: "0.0.0.0:8001", workers: 2}}\n')
    project.fab("deploy")
    project.fab("deploy", "--env", "shop")
    for shell in shells:
        shell.run("echo kept >/var/lib/shop/kept")
    with Load([(host.address, 8000) for host in hosts], MIX) as load:
        done = project.fab("remove", "shop", "--env", "shop", "--yes")
        assert all(host.name in done.out for host in hosts), done.out
        for shell in shells:
            left = shell.run("systemctl is-active shop raab; cat /var/lib/shop/kept; ls -d /opt/shop /run/shop*", check=False).out
            assert left.split() == ["inactive", "active", "kept"], left
        project.fab("deploy", "--env", "shop", "--hosts", hosts[0].name)
        assert shells[0].run("cat /var/lib/shop/kept").out == "kept\n"
        told = project.fab("remove", "shop", "--env", "shop", "--yes").out.splitlines()
        assert [line.split(maxsplit=1) for line in told] == [[hosts[0].name, "removed"], [hosts[1].name, "was not there"]]
        project.fab("remove", "shop", "--env", "shop", "--yes", "--purge")
    assert load.account.total > 40 and not load.account.failures, load.account.line()
    for shell in shells:
        assert shell.run("ls -d /opt/shop /etc/shop /var/lib/shop; id -un shop", check=False).out == ""
