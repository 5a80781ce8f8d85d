"""`fab restart --rolling` of two hosts behind Debian's HAProxy, configured as docs/proxies.md says, under traffic through it."""

from __future__ import annotations

import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

if TYPE_CHECKING:
    from test.conftest import Programs

PAGE = Path(__file__).parents[3] / "docs/proxies.md"
MIX = Mix(fresh=40, reused=40, bursts=1, burst_length=8)
# The page's HAProxy asks each second and believes the second answer.
FLEET = "hosts: lab\nwaves: [100%]\ndrain: 4\n"
BROKEN = "/etc/systemd/system/raab.service.d/broken.conf"


@contextmanager
def balanced(programs: Programs, folder: Path, hosts: Sequence[LabHost]) -> Iterator[tuple[str, int]]:
    """Where HAProxy takes requests for them."""
    found = re.search(r"^```haproxy\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = found[1].replace("bind :80", f"bind 127.0.0.1:{port}")
    for address, host in zip(("10.0.0.11:8000", "10.0.0.12:8000"), hosts, strict=True):
        text = text.replace(address, f"{host.address}:8000")
    (folder / "haproxy.cfg").write_text(f"global\n    log {folder}/none.socket local0\n{text}")
    words = (str(programs.find("haproxy")), "-db", "-f", str(folder / "haproxy.cfg"))
    with subprocess.Popen(words, env=programs.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield "127.0.0.1", port
        finally:
            process.terminate()


@pytest.fixture
def fleet(project: Any, lab: Any) -> tuple[Any, tuple[LabHost, ...]]:
    hosts = lab.hosts(2)
    project.environment("fleet", FLEET)
    project.fab("deploy", "--env", "fleet")
    return project, hosts


def masters(lab: Any, hosts: Sequence[LabHost]) -> list[str]:
    return [lab.shell(host).run("systemctl show --property=MainPID --value raab").out.strip() for host in hosts]


def ready(host: LabHost) -> bool:
    with urllib.request.urlopen(f"http://{host.address}:8000/readyz", timeout=10) as answer:
        return bool(answer.status == 200)


@pytest.mark.prove
def test_nothing_is_lost_while_each_is_restarted_in_turn(fleet: Any, lab: Any, programs: Programs, tmp_path: Path) -> None:
    project, hosts = fleet
    before = masters(lab, hosts)
    with balanced(programs, tmp_path, hosts) as address, Load([address], MIX) as load:
        status = project.fab("status", "--json", "--env", "fleet").json
        shown = project.fab("status", "--env", "fleet").out
        ran = project.fab("restart", "--rolling", "--env", "fleet")
    print(shown, ran.out, ran.err, load.account.total, load.account.longest)
    # Some ninety a second, of which each host has a part.
    parts = [host["traffic"]["requests_per_second"] for host in status["hosts"]]
    assert min(parts) > 10 and 50 < sum(parts) < 150 and status["traffic"]["errors_per_second"] == 0
    assert abs(status["traffic"]["requests_per_second"] - sum(parts)) < 1 and status["traffic"]["p99_seconds"]
    assert "requests/s  p99" in shown and "all of them: " in shown
    assert not load.account.failures and load.account.total > 1000
    assert not {*before} & {*masters(lab, hosts)}
    assert [line.split()[1] for line in ran.out.splitlines()[1:]] == ["restarted"] * 2
    told = [line.split()[1] for line in ran.err.splitlines() if "drained" in line or "ready, and back" in line]
    assert told == [hosts[0].name] * 2 + [hosts[1].name] * 2
    for host in hosts:
        assert ready(host)


@pytest.mark.prove
def test_it_stops_at_the_first_host_that_does_not_start_again(fleet: Any, lab: Any, programs: Programs, tmp_path: Path) -> None:
    """Clients are served by the other one, which is left alone; what is said names both."""
    project, hosts = fleet
    broken = lab.shell(hosts[0])
    before = masters(lab, hosts)[1]
    broken.put(BROKEN, "[Service]\nExecStartPre=/bin/false\n")
    broken.run("systemctl daemon-reload")
    try:
        with balanced(programs, tmp_path, hosts) as address, Load([address], MIX) as load:
            ran = project.fab("restart", "--rolling", "--env", "fleet", expect=5)
        print(ran.out, ran.err, load.account.total, load.account.longest)
        assert not load.account.failures and load.account.total > 300
        assert masters(lab, hosts)[1] == before and ready(hosts[1])
        assert f"stopped at {hosts[0].name}; 1 of 2 hosts were left as they were" in ran.out
    finally:
        broken.run(f"rm {BROKEN}; systemctl daemon-reload; rm -f /run/raab/drain; systemctl restart raab")


@pytest.mark.prove
def test_nothing_is_lost_while_each_is_booted_anew(fleet: Any, lab: Any, programs: Programs, tmp_path: Path) -> None:
    project, hosts = fleet
    before = [boot(host) for host in hosts]
    with balanced(programs, tmp_path, hosts) as address, Load([address], MIX) as load:
        ran = project.fab("reboot", "--env", "fleet")
    print(ran.out, ran.err, load.account.total, load.account.longest)
    assert not load.account.failures and load.account.total > 1000
    assert not {*before} & {boot(host) for host in hosts} and all(map(ready, hosts))
    assert [line.split()[1] for line in ran.out.splitlines()[1:]] == ["rebooted"] * 2


def boot(host: LabHost) -> str:
    with Shell(host) as shell:
        return shell.run("cat /proc/sys/kernel/random/boot_id").out
