"""The service moves from one address to another under systemd, by reload, restart and deploy: who comes by one that stays loses nothing.

The traffic comes from the host itself, as it does from a proxy there.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from raab.drill.stage.service import Service
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab import lab as lifecycle
from raab.lab import presence

if TYPE_CHECKING:
    from .conftest import LabForTests, Steady

_T = TypeVar("_T")
MIX = Mix(fresh=40, reused=20, bursts=1, burst_length=8)
CLONE_NEWNET = 0x40000000
PATH = "/var/lib/raab/http"
# What a setting says, with the places where it is served.
SERVED: dict[tuple[str, ...], set[Any]] = {
    ("0.0.0.0:8000",): {("127.0.0.1", 8000)},
    ("127.0.0.1:8000",): {("127.0.0.1", 8000)},
    ("[::]:8000",): {("127.0.0.1", 8000), ("::1", 8000)},
    ("[::1]:8000",): {("::1", 8000)},
    ("0.0.0.0:8001",): {("127.0.0.1", 8001)},
    (f"unix:{PATH}",): {PATH},
    ("0.0.0.0:8000", "[::]:8000"): {("127.0.0.1", 8000), ("::1", 8000)},
}
PAIRS = list(itertools.permutations(SERVED, 2))
CHOSEN = [
    (("127.0.0.1:8000",), ("[::]:8000",), "reload"),
    (("0.0.0.0:8000", "[::]:8000"), ("[::1]:8000",), "restart"),
    (("0.0.0.0:8000",), ("127.0.0.1:8000",), "deploy"),
    (("[::]:8000",), (f"unix:{PATH}",), "deploy"),
]
OTHERS = [(*pair, how) for how in ("reload", "restart", "deploy") for pair in PAIRS if (*pair, how) not in CHOSEN]


def inside(service: Service, act: Callable[[], _T]) -> _T:
    """Done in the host's network, by a thread of its own that is in it, and the processes that it starts."""
    results: list[_T | BaseException] = []

    def run() -> None:
        try:
            descriptor = os.open(f"/proc/{presence.leader(service.shell.host)}/ns/net", os.O_RDONLY)
            entered = ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET)
            os.close(descriptor)
            assert entered == 0, os.strerror(ctypes.get_errno())
            results.append(act())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def seen(service: Service, place: Any) -> Any:
    return f"/proc/{presence.leader(service.shell.host)}/root{place}" if isinstance(place, str) else place


def answers(place: Any) -> bool:
    """Whether somebody serves there; that nobody does has to be refused, and not left to wait."""
    kind = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with socket.socket(kind) as client:
        client.settimeout(5)
        try:
            client.connect(place)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            return client.recv(12) == b"HTTP/1.1 200"
    return False


def serves(service: Service, binds: tuple[str, ...]) -> None:
    """What the settings say, and nothing else, not after the seconds either that the old master gives its clients."""
    everything = {place for places in SERVED.values() for place in places}
    end = time.monotonic() + 5
    while True:
        found = {place for place in everything if inside(service, lambda place=place: answers(seen(service, place)))}  # type: ignore[misc]
        if found == SERVED[binds] or time.monotonic() > end:
            break
    assert found == SERVED[binds], service.journal(time.time() - 20)


def say(service: Service, binds: tuple[str, ...]) -> None:
    service.settings(f"production: {{server: {{bind: [{', '.join(map(repr, binds))}]}}}}\n")


def move(steady: Steady, service: Service, before: tuple[str, ...], after: tuple[str, ...], how: str, boots: bool = False) -> None:
    try:
        say(service, before)
        service.systemctl("reload")
        serves(service, before)
        service.run("systemctl reset-failed raab")
        say(service, after)
        since = time.time()
        stay = [seen(service, place) for place in SERVED[before] & SERVED[after]]
        load = Load(stay, MIX)
        with contextlib.ExitStack() as flowing:
            if stay:
                inside(service, load.__enter__)
                flowing.push(load.__exit__)
            time.sleep(0.3)
            if how == "deploy":
                steady.fab("deploy", "--hosts", service.shell.host.name)
            else:
                service.systemctl(how)
            time.sleep(0.5)
        assert not load.account.failures, f"{load.account.line()}\n{service.journal(since)[-8000:]}"
        serves(service, after)
        told = service.journal(since)
        assert "refused" not in told and "Traceback" not in told and service.show("NRestarts") == "0", told
        if boots:
            lifecycle.reboot(steady.lab, service.shell.host.name)
            service.wait("up", lambda now: now.incoming is None, 60)
            serves(service, after)
    finally:
        service.settings("")
        # More starts than anybody needs in ten minutes, of which systemd counts each (raab.service, StartLimitBurst=).
        service.run("systemctl reset-failed raab")
        service.systemctl("restart")


@pytest.mark.parametrize(("before", "after", "how"), CHOSEN)
def test_a_move_loses_nothing(steady: Steady, service: Service, before: tuple[str, ...], after: tuple[str, ...], how: str) -> None:
    """From one address to another: whoever comes by what both have in common is answered, and then the settings hold."""
    move(steady, service, before, after, how)


@pytest.mark.prove
@pytest.mark.parametrize(("before", "after", "how"), OTHERS)
def test_every_other_move_loses_nothing(
    steady: Steady, service: Service, before: tuple[str, ...], after: tuple[str, ...], how: str
) -> None:
    """The same, and a boot afterwards."""
    move(steady, service, before, after, how, boots=True)


def test_a_reboot_serves_what_the_settings_say(lab: LabForTests, service: Service) -> None:
    """An address that was moved to by reload is that of the next boot."""
    try:
        for binds in (("[::]:8000",), ("127.0.0.1:8000", f"unix:{PATH}")):
            say(service, binds)
            service.systemctl("reload")
        SERVED[binds] = {("127.0.0.1", 8000), PATH}
        lifecycle.reboot(lab.lab, service.shell.host.name)
        service.wait("up", lambda now: now.incoming is None, 60)
        serves(service, binds)
    finally:
        service.settings("")
        service.systemctl("restart")


def test_an_address_that_somebody_else_holds_is_told(steady: Steady, service: Service) -> None:
    """By check, by reload, by a deploy and by a rollback, each of which leaves the service where it is; who asks as root is told who."""
    server = "import socket, time; kept = socket.create_server(('0.0.0.0', 8005)); time.sleep(600)"
    service.run(f'systemd-run --quiet --unit=taker --uid=nobody python3 -c "{server}"')
    before = service.status()
    try:
        say(service, ("127.0.0.1:8000", "127.0.0.1:8005"))
        check = service.run("raab check", check=False)
        assert check.status == 1 and "Traceback" not in check.err
        first, hint = check.err.splitlines()
        assert re.fullmatch(r"server\.bind: 127\.0\.0\.1:8005 is held by python3 \(pid \d+, taker\.service\) of the user nobody", first)
        assert hint.startswith("hint: ")
        reload = service.systemctl("reload", check=False)
        assert reload.status and "cannot listen: 127.0.0.1:8005: Address already in use" in service.journal(time.time() - 20)
        held = r"server\.bind: 127\.0\.0\.1:8005 is held by python3 \(pid \d+, taker\.service\) of the user nobody"
        back = ("rollback", "--to", service.base)
        for words in (("plan",), ("deploy",), (*back, "--dry-run"), back):
            with pytest.raises(AssertionError, match=held) as told:
                steady.fab(*words, "--hosts", service.shell.host.name)
            assert "trial load" not in str(told.value) and "switching" not in str(told.value)
        assert service.status().pid == before.pid and service.current == before.release
        serves(service, ("0.0.0.0:8000",))
    finally:
        service.settings("")
        service.run("systemctl stop taker")
        service.systemctl("reload")
