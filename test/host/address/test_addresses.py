"""What is told of an address that the service would not get: on this machine, with sockets that somebody else holds."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host import systemd
from raab.host.address import addresses, listening
from raab.host.paths import Paths

NOBODY = pwd.getpwnam("nobody").pw_uid
ME = f"(pid {os.getpid()}, "


@pytest.fixture
def taken() -> Iterator[dict[str, int]]:
    """Ports at which this process listens, by the address."""
    with ExitStack() as stack:
        made = {}
        for name, family, host, dual in (
            ("loopback", socket.AF_INET, "127.0.0.1", False),
            ("any", socket.AF_INET, "0.0.0.0", False),
            ("both", socket.AF_INET6, "::", True),
            ("six", socket.AF_INET6, "::", False),
            ("loopback6", socket.AF_INET6, "::1", False),
        ):
            listener = stack.enter_context(socket.create_server((host, 0), family=family, dualstack_ipv6=dual))
            made[name] = listener.getsockname()[1]
        yield made


def told(bind: str, uid: int = NOBODY) -> list[str]:
    return [text for text, hint in addresses.problems(Paths("raab"), bind, uid, listening.taken("raab.service", uid)) if hint]


@pytest.mark.parametrize(
    ("who", "bind", "address"),
    [
        ("loopback", "127.0.0.1", "127.0.0.1"),
        ("loopback", "localhost", "127.0.0.1"),
        ("loopback", "0.0.0.0", "0.0.0.0"),
        ("loopback", "[::]", "0.0.0.0"),
        ("any", "127.0.0.1", "127.0.0.1"),
        ("both", "127.0.0.1", "127.0.0.1"),
        ("both", "[::1]", "[::1]"),
        ("six", "[::1]", "[::1]"),
        ("loopback6", "[::]", "[::]"),
    ],
)
def test_who_holds_an_address_is_named(taken: dict[str, int], who: str, bind: str, address: str) -> None:
    """Also where only a part of it is held."""
    (text,) = told(f"{bind}:{taken[who]}")
    assert (
        text.startswith(f"{address}:{taken[who]} is held by ") and ME in text and f"of the user {pwd.getpwuid(os.getuid()).pw_name}" in text
    )


@pytest.mark.parametrize(("who", "bind"), [("loopback", "127.0.0.2"), ("loopback", "[::1]"), ("six", "0.0.0.0"), ("loopback6", "0.0.0.0")])
def test_what_does_not_meet_is_free(taken: dict[str, int], who: str, bind: str) -> None:
    assert told(f"{bind}:{taken[who]}") == []


def test_the_service_s_own_is_no_hindrance(taken: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """By its control group; who is not root cannot see that, and believes the user. Another process of that user is somebody else."""
    bind = f"0.0.0.0:{taken['loopback']}"
    assert len(told(bind, os.getuid())) == 1
    monkeypatch.setattr(listening, "control_group", lambda pid: "/system.slice/raab.service")
    assert told(bind, os.getuid()) == [] and len(told(bind)) == 1
    monkeypatch.setattr(listening, "holders", lambda inodes: {})
    assert told(bind, os.getuid()) == []


def test_addresses_that_nobody_gets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of this host, names that nobody knows, ports for root alone, paths where something else lies or somebody else's socket."""
    assert told("192.0.2.1:8000") == ["192.0.2.1:8000: this host has no such address (Cannot assign requested address)"]
    assert "nobody knows the name" in told("no-such-host.invalid:8000")[0]
    monkeypatch.setattr(addresses, "_lowest_port", lambda: 1024)
    assert told("127.0.0.1:80") == ["127.0.0.1:80 is for root alone, as all ports below 1024 are"]
    assert told(f"unix:{tmp_path}/none/http") == [f"unix:{tmp_path}/none/http: there is no folder {tmp_path}/none"]
    path = tmp_path / "http"
    assert told(f"unix:{path}") == []
    ((text, _),) = addresses.problems(Paths("raab"), f"unix:{path}", NOBODY, [], barred=[str(tmp_path)])
    assert text == f"unix:{path}: the service may not write to {tmp_path}"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        assert told(f"unix:{path}") == [f"unix:{path} is held by the user {pwd.getpwuid(os.getuid()).pw_name}"]
        assert told(f"unix:{path}", os.getuid()) == []
    path.unlink()
    path.write_text("mine")
    assert told(f"unix:{path}") == [f"unix:{path} is taken by something that is no socket"]


def test_each_setting_is_named(taken: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a service, and no socket unit that listens for it."""
    nobody = Paths("nobody")
    shown = {"TriggeredBy": ""}
    monkeypatch.setattr(systemd, "show", lambda *_: shown)
    with pytest.raises(RaabError) as caught:
        addresses.check(nobody, ["127.0.0.1:1", f"0.0.0.0:{taken['any']}"], taken["loopback"])
    assert [line.partition(" is ")[0] for line in caught.value.message.splitlines()][-2:] == [
        f"server.bind: 0.0.0.0:{taken['any']}",
        f"server.admin_port: 127.0.0.1:{taken['loopback']}",
    ]
    shown["TriggeredBy"] = "raab.socket other.socket"
    listen = f"0.0.0.0:{taken['any']} (Stream)\n/run/x (Stream)\n"
    monkeypatch.setattr(systemd, "order", lambda *words: subprocess.CompletedProcess(words, 0, listen, ""))
    addresses.check(nobody, [f"localhost:{taken['any']}", "unix:/run/x"], taken["loopback"])
    for bind in ("0.0.0.0:1", "unix:/run/y"):
        with pytest.raises(RaabError, match=rf"bind: {bind} is none of the addresses of raab.socket, other.socket, got 0.*, /run/x\nhint"):
            addresses.check(nobody, [bind], 0)
    shown["TriggeredBy"] = ""
    addresses.check(Paths("no-such-user"), [f"0.0.0.0:{taken['any']}"], taken["loopback"])
