"""The unit's sandbox, as shipped and sealed: what is denied from inside, and that the service serves, reloads and scales in it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raab.drill.stage.service import Service
from raab.drill.stage.variants import Content
from raab.drill.traffic.values import Mix
from raab.lab import presence
from raab.lab.shell import Shell

if TYPE_CHECKING:
    from .conftest import Steady

ROOT = Path(__file__).resolve().parents[2]
UNITS = "/etc/systemd/system"
# After the application is made, so that a probe's failure is one answer and not a worker that does not load.
ASKED = """
import json
import probes

inner = application

def application(environ, start_response):
    if environ["PATH_INFO"] == "/probes":
        found = probes.outcomes()
    elif environ["PATH_INFO"] == "/connect":
        host, port = environ["QUERY_STRING"].split(":")
        found = probes.outcome(lambda: probes.connect(host, int(port)))
    elif environ["PATH_INFO"] == "/turn":
        host, port = environ["QUERY_STRING"].split(":")
        found = probes.outcome(lambda: probes.turn(host, int(port)))
        # The connection of this request may be the one.
        probes.keep("turned", found)
    else:
        return inner(environ, start_response)
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


def ask(service: Service, path: str) -> Any:
    connection = http.client.HTTPConnection(*service.address, timeout=30)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.fixture
def probing(service: Service) -> Service:
    """A release that carries out the probes in its workers."""
    probes = Path(__file__).with_name("probes.py").read_text()
    service.switch(service.variant(Content(after=ASKED, files=(("app/probes.py", probes),))))
    service.systemctl("reload")
    return service


@pytest.fixture
def sealed(probing: Service) -> Iterator[Service]:
    """The same, under the sealed profile, as the readme installs it."""
    source = "/opt/raab/current/systemd/sealed"
    probing.run(f"cp -r {source}/raab.socket {source}/raab.service.d {UNITS}/ && systemctl daemon-reload && systemctl restart raab")
    try:
        yield probing
    finally:
        probing.run(f"systemctl stop raab; rm -r {UNITS}/raab.socket {UNITS}/raab.service.d; systemctl daemon-reload; systemctl start raab")


def exposure(service: Service) -> float:
    said = service.run("systemd-analyze security raab --no-pager | tail -1").out
    return float(re.findall(r"([0-9.]+) [A-Z]+", said)[0])


def operate(service: Service) -> None:
    """What operators do all day."""
    service.systemctl("reload")
    service.run("raab scale 4")
    service.systemctl("restart")
    service.kill("HUP")
    service.run("raab scale 2")
    service.systemctl("reload")


def test_the_units_are_written_without_a_mistake(service: Service) -> None:
    """systemd-analyze verify exits 0 on a misspelt key, so it has to be silent."""
    done = service.run(f"systemd-analyze verify {UNITS}/raab.service /opt/raab/current/systemd/sealed/raab.socket", check=False)
    assert (done.status, done.out, done.err) == (0, "", "")
    sockets = "/opt/raab/current/systemd/sockets"
    done = service.run(f"systemd-analyze verify {sockets}/raab.socket {sockets}/raab@proxy.socket", check=False)
    assert (done.status, done.out, done.err) == (0, "", "")


def test_every_probe_is_denied_as_shipped(probing: Service) -> None:
    """At least 20 acts that no web service needs, each tried in a worker; what it needs is allowed."""
    found = ask(probing, "/probes")
    assert len(found) >= 20
    assert not {name: outcome for name, outcome in found.items() if not outcome.startswith("E")}
    assert ask(probing, f"/connect?{probing.address[0]}:22") == "allowed"
    assert exposure(probing) <= 1.1


def test_the_machine_itself_would_allow_it(shell: Shell) -> None:
    """What no sandbox forbids there: a probe that failed for another reason would prove nothing."""
    probes = Path(__file__).with_name("probes.py").read_text()
    told = "import json; print(json.dumps({name: outcome(PROBES[name]) for name in NAMES}))"
    environ = "STATE_DIRECTORY=/var/lib RUNTIME_DIRECTORY=/run"
    found = json.loads(shell.run(f"{environ} python3 -", stdin=f"{probes}\nNAMES = {GIVEN_BACK + OUTSIDE!r}\n{told}".encode()).out)
    assert {name: outcome for name, outcome in found.items() if outcome != "allowed"} == {}


# Not the descriptors of a process: a container's hosts deny that by themselves.
OUTSIDE = (
    "read a process's memory", "execute from the runtime directory", "execute from /dev/shm",
    "look into /run/lock", "knock at the system bus", "knock at systemd",
)  # fmt: skip
# What the drop-ins of systemd/allow give back.
GIVEN_BACK = (
    "executable memory", "netlink socket", "read the machine's memory figures", "execute from /tmp", "execute from the state directory",
    "load a library from /tmp", "asynchronous I/O",
)  # fmt: skip


@pytest.fixture
def allowed(probing: Service) -> Iterator[Service]:
    """Every drop-in of systemd/allow at once, as each says that it is installed."""
    for conf in sorted((ROOT / "systemd/allow").glob("*.conf")):
        install = next(line for line in conf.read_text().splitlines() if line.startswith("#   install"))
        assert install.endswith(f"/systemd/allow/{conf.name}")
        probing.run(install.removeprefix("#   "))
    probing.run("systemctl daemon-reload && systemctl restart raab")
    try:
        yield probing
    finally:
        probing.run(f"rm -r {UNITS}/raab.service.d; systemctl daemon-reload; systemctl restart raab")


def test_what_an_application_needs_back_it_can_have(allowed: Service) -> None:
    """That, and nothing else."""
    found = ask(allowed, "/probes")
    given = {name for name, outcome in found.items() if not outcome.startswith("E")}
    also = {"execute from /var/tmp", "execute from /dev/shm", "execute from the runtime directory", "io_uring"}
    assert set(GIVEN_BACK) <= given <= {*GIVEN_BACK, *also}


def test_it_operates_under_load_as_shipped(service: Service, traffic: Any) -> None:
    """Reload, scale, restart and HUP inside the sandbox lose nothing; clients come from another machine's address."""
    with traffic():
        operate(service)


def test_every_probe_is_denied_when_sealed(sealed: Service) -> None:
    """Beyond what is denied as shipped, there is no network: not even the host's own sshd can be reached."""
    found = ask(sealed, "/probes")
    assert not {name: outcome for name, outcome in found.items() if not outcome.startswith("E")}
    assert ask(sealed, f"/connect?{sealed.address[0]}:22") == "EAFNOSUPPORT"
    assert exposure(sealed) <= 0.3


@pytest.fixture
def opened(service: Service) -> Iterator[Service]:
    """The service at sockets that systemd has opened for it: a port below 1024 and one for a proxy's group, as the readme installs them."""
    source, files = "/opt/raab/current/systemd/sockets", "raab.socket raab@proxy.socket raab.service.d"
    service.settings('production: {server: {bind: ["0.0.0.0:80", "unix:/run/raab-proxy/http"]}}\n')
    service.run(f"cd {source} && cp -r {files} {UNITS}/ && systemctl daemon-reload && systemctl restart raab")
    try:
        yield service
    finally:
        service.settings("")
        service.run(f"systemctl stop raab; cd {UNITS} && rm -r {files}; systemctl daemon-reload; systemctl start raab")


def test_root_s_side_opens_what_the_service_may_not(opened: Service, steady: Steady, traffic: Any) -> None:
    """A port below 1024, and a path for a group: nothing is lost there by operations and a deploy, whose proof goes there; the service
    itself may no more than before."""
    path = f"/proc/{presence.leader(opened.shell.host)}/root/run/raab-proxy/http"
    with traffic(Mix(fresh=20, reused=20), (opened.address[0], 80)), traffic(Mix(fresh=20, reused=20), path):
        operate(opened)
        steady.fab("deploy", "--hosts", opened.shell.host.name)
    assert exposure(opened) <= 1.2
    code = "import socket; socket.socket(socket.AF_UNIX).connect('/run/raab-proxy/http')"
    for group, allowed in (("www-data", True), ("nogroup", False)):
        said = opened.run(f'setpriv --reuid=nobody --regid={group} --clear-groups python3 -c "{code}"', check=False)
        assert (said.status == 0) is allowed and ("PermissionError" in said.err) is not allowed
    opened.run("raab check")
    opened.settings('production: {server: {bind: ["0.0.0.0:81"]}}\n')
    assert "0.0.0.0:81 is none of the addresses of" in opened.run("raab check", check=False).err


def test_no_connection_of_a_unix_socket_is_turned_elsewhere_when_sealed(sealed: Service) -> None:
    """One of a TCP socket is, as the profile says at its top, which is why it says what to listen on."""
    there, found = f"{sealed.address[0]}:22", "/var/lib/raab/turned"
    # Who asked hears of the end of the connection before that is written.
    turned = f"timeout 20 sh -c 'until test -s {found}; do sleep 0.1; done'; cat {found}; rm {found}"
    with contextlib.suppress(http.client.HTTPException, OSError):
        ask(sealed, f"/turn?{there}")
    assert sealed.run(turned).out == "allowed"
    sealed.settings('production: {server: {bind: ["unix:/run/raab-http"]}}\n')
    try:
        sealed.run(f"systemctl stop raab; sed -i 's|^ListenStream=0.0.0.0:8000|ListenStream=/run/raab-http|' {UNITS}/raab.socket")
        sealed.run("systemctl daemon-reload && systemctl start raab")
        sealed.shell.run("python3 -", stdin=f"PATH = '/turn?{there}'\n{OVER_UNIX}".encode())
        assert sealed.run(turned).out.startswith("E")
    finally:
        sealed.settings("")


OVER_UNIX = """
import socket
with socket.socket(socket.AF_UNIX) as service:
    service.connect("/run/raab-http")
    service.sendall(b"GET %b HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n" % PATH.encode())
    service.recv(1)
"""


def test_it_operates_under_load_when_sealed(sealed: Service, traffic: Any) -> None:
    """Reload, scale, restart and HUP lose nothing behind systemd's own socket either; stop closes it, and start opens it."""
    admin = "/run/raab/admin"
    with traffic(), traffic(Mix(fresh=20, reused=20, path="/-/release"), f"/proc/{presence.leader(sealed.shell.host)}/root{admin}"):
        operate(sealed)
    assert sealed.run(f"stat -c '%U %G %a' {admin} /run/raab").out == "raab raab 660\nraab raab 750\n"
    sealed.systemctl("stop")
    # systemd closes its socket in a job of its own: who connects in that moment is reset.
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        ask(sealed, "/probes")
    assert sealed.run(f"test -e {admin}", check=False).status == 1
    assert sealed.show("ActiveState") == "inactive"
    sealed.systemctl("start")
    assert ask(sealed, "/probes")
    assert sealed.run(f"test -S {admin}").status == 0
