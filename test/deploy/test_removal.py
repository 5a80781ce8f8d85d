"""`fab remove` asks, and does what it is told; the host is what a runner says, for what hosts do is test/host/session/test_remove.py."""

from __future__ import annotations

import io
import os
import pty
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test.deploy.inspection.test_doctor import WELL

from raab.deploy import removal
from raab.deploy.desk import Desk
from raab.deploy.hosts.fleet import Outcome
from raab.errors import RaabError
from raab.protocol.answers import Removed

HOSTS = ("web1", "web2")


class Hosts:
    """Two hosts; what they are asked is noted."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.told: list[tuple[str, str]] = []
        self.unreachable: dict[str, RaabError] = {}
        self.stuck: tuple[str, ...] = ()
        self.parallel = 1

    def facts(self, edges: bool = False) -> Outcome[Any]:
        found: Outcome[Any] = Outcome()
        found.done = {"web1": WELL, "web2": WELL._replace(current=None)}
        found.failed = self.unreachable
        return found

    def lock(self, names: tuple[str, ...], what: str, wait: float) -> None:
        self.asked.append((names, what))

    def stands(self, name: str, **changes: Any) -> None:
        pass

    def progress(self, host: str, text: str) -> None:
        self.told.append((host, text))

    def ask(self, name: str, operation: str, kind: type[Any], on_text: Callable[[str], None], lasts: bool, **values: Any) -> Any:
        on_text("stopping it")
        self.asked.append((name, operation, values))
        if name in self.stuck:
            raise RaabError(f"host {name}: it did not end")
        return Removed(name == "web1")


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    found = Hosts()

    @contextmanager
    def runner(desk: Desk) -> Iterator[Hosts]:
        yield found

    monkeypatch.setattr(Desk, "runner", runner)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/production.yaml").write_text("name: shop\nhosts: {web1: , web2: }\n")
    return found


def typed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    """At a terminal."""
    ours, theirs = pty.openpty()
    os.write(ours, text)
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs))


def remove(tmp_path: Path, name: str = "shop", purge: bool = False, yes: bool = False) -> int:
    return removal.remove(Desk(tmp_path, "production", None), name, purge, yes)


@pytest.mark.parametrize(
    ("text", "agreed"), [(b"y\n", True), (b"Yes\n", True), (b"\n", False), (b"n\n", False), (b"yo\n", False), (b"\4", False)]
)
def test_who_sits_there_is_asked(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: bytes, agreed: bool
) -> None:
    """With what would go, from where, and what stays; anything but a yes is a no, the end of input too."""
    typed(monkeypatch, text)
    assert remove(tmp_path) == 0
    said = capsys.readouterr().out
    assert "web1  serves 20261122T061500Z-1a2b3c4, of the project unknown\nweb2  has no release of it\n" in said
    assert "remove shop from web1, web2, but for /etc/shop, /var/lib/shop and its user, which stay? [y/N]" in said
    assert ("web1  removed\nweb2  was not there\n" in said, "nothing was changed" in said) == (agreed, not agreed)
    done = [(name, "remove", {"purge": False}) for name in HOSTS]
    assert hosts.asked == ([(HOSTS, "removal of shop"), *done] if agreed else [])
    assert hosts.told == ([(name, "stopping it") for name in HOSTS] if agreed else [])


def test_a_purge_says_so(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed(monkeypatch, b"y\n")
    assert remove(tmp_path, purge=True) == 0
    assert "remove shop from web1, web2, with its data, settings and user? [y/N]" in capsys.readouterr().out
    assert hosts.asked[1:] == [(name, "remove", {"purge": True}) for name in HOSTS]


def test_one_that_fails_is_told_beside_the_others(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.stuck = ("web1",)
    assert remove(tmp_path, yes=True) == 1
    said = capsys.readouterr()
    assert said.out == "web2  was not there\n" and said.err == "web1  host web1: it did not end\n"


def test_without_a_terminal_somebody_has_to_have_said_yes(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any host is asked."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(RaabError, match=r"nobody to ask, got no terminal for: remove shop from web1, web2.*\nhint: --yes") as caught:
        remove(tmp_path)
    assert caught.value.exit_code == 2 and hosts.asked == []
    assert remove(tmp_path, yes=True) == 0 and len(hosts.asked) == 3


def test_a_name_that_is_not_the_environments_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    with pytest.raises(RaabError, match=r"the service of production is shop, got blog\nhint: fab remove shop --env production"):
        remove(tmp_path, "blog", yes=True)


def test_none_is_removed_where_one_cannot_be_asked(hosts: Hosts, tmp_path: Path) -> None:
    hosts.unreachable = {"web2": RaabError("host web2: no route", exit_code=6)}
    with pytest.raises(RaabError, match="no route"):
        remove(tmp_path, yes=True)
    assert hosts.asked == []
