"""The admin listener of the service as it is deployed: it goes through operations as the public one does, and only the host reaches it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import Content
from raab.drill.traffic.values import Mix
from raab.lab import presence

if TYPE_CHECKING:
    from .conftest import Steady, Traffic

SOCKET = "/run/raab/admin"
# Beside the public traffic; what only reads would not show whether an answer is whole.
SCRAPES = Mix(fresh=20, reused=20, path="/-/release")
AS = "setpriv --reuid={user} --regid={group} --clear-groups python3 -ISc 'import socket; socket.socket(socket.AF_UNIX).connect(\"{path}\")'"


def seen_from_here(service: Service, path: str) -> str:
    """A path of the host as this machine's processes can open it."""
    return f"/proc/{presence.leader(service.shell.host)}/root{path}"


class Http(http.client.HTTPConnection):
    """To a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=15)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(15)
        self.sock.connect(self._path)


def ask(service: Service, path: str, place: str = SOCKET) -> tuple[int, str]:
    with contextlib.closing(Http(seen_from_here(service, place))) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def public(service: Service, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen("http://{}:{}{}".format(*service.address, path), timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


OPERATIONS = {
    "reload": "systemctl reload raab",
    "new master": "kill -USR2 $(systemctl show -P MainPID raab)",
    "restart": "systemctl restart raab",
    "master killed": "kill -KILL $(systemctl show -P MainPID raab)",
    "restart again": "systemctl restart raab",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_goes_through_operations(service: Service, traffic: Traffic, operation: str) -> None:
    """Every request to it and to the public port is answered, on new connections and on kept ones."""
    before = service.status()
    with traffic(), traffic(SCRAPES, seen_from_here(service, SOCKET)):
        service.run(OPERATIONS[operation])
        after = service.wait("over", lambda now: now.settled and (now.generation, now.pid) != (before.generation, before.pid))
    assert {*after.serving}.isdisjoint(before.serving)
    assert json.loads(ask(service, "/-/workers")[1])["pid"] == after.pid == service.main_pid()


def test_what_it_tells(service: Service) -> None:
    """The same as the command line's tools, but for what root alone is told by systemd: strays, and what runs beside. Not to the public."""
    status = json.loads(ask(service, "/-/workers")[1])
    told = json.loads(service.run("raab status --json").out)
    assert {*status} == {*told} - {"strays", "processes", "timers"}
    assert status["pid"] == told["pid"] and status["workers"][0]["private"] > 1 << 20
    code, text = ask(service, "/metrics")
    names = {line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")}
    assert code == 200 and names == {
        line.split("{")[0].split()[0] for line in service.run("raab metrics").out.splitlines() if line[0] != "#"
    }
    assert json.loads(ask(service, "/-/release")[1])["dependencies"]["gunicorn"]
    for path in ("/metrics", "/-/release", "/-/workers"):
        assert public(service, path)[0] == 404
    assert ask(service, "/")[0] == 404
    service.run("raab drain")
    assert ask(service, "/readyz?verbose")[1].splitlines()[::2] == [
        "drain: `raab drain` was typed here, `raab undrain` ends it",
        "draining",
    ]
    assert public(service, "/readyz?verbose") == (503, "draining\n")
    service.run("raab undrain")
    assert (ask(service, "/readyz")[0], public(service, "/readyz")) == (200, (200, "ok\n"))


def test_a_deployed_release_tells_who_deployed_it(service: Service, traffic: Traffic) -> None:
    """As the host's own journal has it; raab's own variants come from no deploy."""
    assert json.loads(ask(service, "/-/release")[1])["who"] is None
    service.switch(service.base)
    service.systemctl("reload")
    told: dict[str, Any] = json.loads(ask(service, "/-/release")[1])
    assert (told["id"], told["action"]) == (service.base, "deploy")
    assert told["who"] and told["machine"] and told["when"] and len(told["commit"]) == 40


def test_who_may_connect(service: Service) -> None:
    """Root and the group raab; others do not even get into its directory."""
    group = service.run("id -g raab").out.strip()
    for user, allowed in (("0", True), ("65534", False)):
        done = service.run(AS.format(user=user, group="65534", path=SOCKET), check=False)
        assert (done.status == 0) is allowed, done.err
    assert service.run(AS.format(user="65534", group=group, path=SOCKET), check=False).status == 0


def test_a_master_that_does_not_answer_holds_no_scrape_for_long(service: Service) -> None:
    """Stopped, as an overloaded machine may stop it: what the workers know is told in two seconds, what the master knows is not."""
    pid = service.main_pid()
    service.kill("STOP", pid)
    try:
        code, text = ask(service, "/metrics")
        assert code == 200 and "raab_http_requests_in_flight" in text and "raab_up" not in text
        code, text = ask(service, "/-/workers")
        assert code == 503 and "no answer within 2 s" in text
        assert ask(service, "/livez") == (200, "ok\n")
    finally:
        service.kill("CONT", pid)


def test_a_port_of_its_own(service: Service, traffic: Traffic) -> None:
    """Wanted by the settings, it comes by a reload at 127.0.0.1 alone, and goes by another one."""
    service.settings("production: {server: {admin_port: 9100, public_health: false}}\n")
    here = "python3 -ISc 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:9100/metrics\", timeout=9).read().decode())'"
    with traffic(), traffic(SCRAPES, seen_from_here(service, SOCKET)):
        service.systemctl("reload")
        assert 'raab_up{service="raab"} 1\n' in service.run(here).out
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((service.address[0], 9100), 5)
        for path in ("/livez", "/readyz", "/metrics"):
            assert public(service, path)[0] == 404
        assert ask(service, "/readyz") == (200, "ok\n")
        service.settings("")
        service.systemctl("reload")
    service.run(f"for n in $(seq 50); do {here} >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1")
    assert public(service, "/readyz") == (200, "ok\n")


def test_a_deploy_is_proved_where_health_is_not_public(steady: Steady, service: Service, traffic: Traffic) -> None:
    """By the workers' own answers at the public port, which nobody else gets."""
    service.settings("production: {server: {public_health: false}}\n")
    service.systemctl("reload")
    assert public(service, "/livez")[0] == 404
    with traffic():
        steady.fab("deploy", "--hosts", service.shell.host.name)
    assert json.loads(ask(service, "/-/release")[1])["id"] == service.base
    assert public(service, "/livez")[0] == 404


@pytest.fixture
def at_a_path(service: Service) -> Iterator[str]:
    """The public listener at a UNIX socket, in a directory that outlives a stop."""
    path = "/var/lib/raab/http"
    service.settings(f'production: {{server: {{bind: "unix:{path}"}}}}\n')
    service.systemctl("reload")
    yield path
    service.settings("")
    service.systemctl("reload")


def test_a_public_listener_at_a_path(service: Service, traffic: Traffic, at_a_path: str) -> None:
    """It stays there through every operation, and a start replaces what a stop has left."""
    place = seen_from_here(service, at_a_path)
    with traffic(Mix(), place), traffic(SCRAPES, seen_from_here(service, SOCKET)):
        for operation in OPERATIONS.values():
            before = service.status()
            service.run(operation)
            service.wait("over", lambda now, before=before: now.settled and (now.generation, now.pid) != (before.generation, before.pid))  # type: ignore[misc]
    assert json.loads(ask(service, "/", at_a_path)[1])["service"] == "raab"
    assert ask(service, "/metrics", at_a_path)[0] == 404
    service.systemctl("stop")
    with pytest.raises(ConnectionRefusedError):
        ask(service, "/", at_a_path)
    service.systemctl("start")
    assert ask(service, "/", at_a_path)[0] == ask(service, "/livez")[0] == 200


def test_a_release_without_it_comes_and_goes(service: Service, traffic: Traffic) -> None:
    """A reload onto a gunicorn.py that knows no admin listener, and back: the public port loses nothing, and the socket is there again."""
    new = service.current
    text = service.run(f"cat {PATHS.current}/gunicorn.py").out
    assert 'bind = [*_read["binds"], *_admin]' in text
    old = service.variant(Content(files=(("gunicorn.py", text.replace(", *_admin]", "]").replace("{' '.join(_admin)}", "")),)))
    with traffic():
        service.switch(old)
        service.systemctl("reload")
        service.run(f"for n in $(seq 50); do test -e {SOCKET} || exit 0; sleep 0.1; done; exit 1")
        service.switch(new)
        service.systemctl("reload")
        assert ask(service, "/livez") == (200, "ok\n")
