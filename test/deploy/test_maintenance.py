"""`fab maintenance`: whom it asks for what; the hosts are what a runner says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from raab.deploy import maintenance
from raab.deploy.desk import Desk
from raab.errors import RaabError
from raab.protocol.answers import Facts, Nothing


class Hosts:
    """What they are asked is noted."""

    parallel = 1

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.away: tuple[str, ...] = ()

    def told(self, name: str, answer: Any) -> Any:
        return answer

    def lock(self, names: tuple[str, ...], what: str, wait: float) -> None:
        self.asked.append((names, what, wait))

    def stands(self, name: str, **changes: Any) -> None:
        pass

    def teller(self, name: str) -> Callable[[str], None]:
        return lambda text: None

    def ask(self, name: str, operation: str, kind: type[Any], *_: Any, **values: Any) -> Any:
        if name in self.away:
            raise RaabError(f"host {name}: no answer", exit_code=3)
        if kind is Facts:
            return None
        self.asked.append((name, operation, values["on"], values["page"]))
        return Nothing()


ONE = "name: shop\nhosts: {web1: , web2: }\ndomains: [shop.example]\nmaintenance: page.html\n"
FLEET = "name: shop\nhosts: {web1: , lb1: {address: 10.0.0.1, roles: [edge]}}\ndomains: [shop.example]\n"


@pytest.fixture
def turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Hosts()

    @contextmanager
    def runner(desk: Desk) -> Iterator[Hosts]:
        yield found

    monkeypatch.setattr(Desk, "runner", runner)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "page.html").write_text("<p>Später")

    def begin(text: str, state: str) -> tuple[int, Hosts]:
        (tmp_path / "deploy/prod.yaml").write_text(text)
        return maintenance.turn(Desk(tmp_path, "prod", None), state, 3.0), found

    begin.hosts = found  # type: ignore[attr-defined]
    begin.root = tmp_path  # type: ignore[attr-defined]
    return begin


def test_each_host_is_its_own_edge_where_none_is_named(turn: Any) -> None:
    code, hosts = turn(ONE, "on")
    assert code == 0 and hosts.asked[0] == (("web1", "web2"), "maintenance on", 3.0)
    assert hosts.asked[1:] == [("web1", "maintenance", True, "<p>Später"), ("web2", "maintenance", True, "<p>Später")]


def test_the_edges_alone_are_asked_where_some_are_named_and_off_needs_no_page(turn: Any) -> None:
    assert turn(FLEET, "on")[1].asked == [(("lb1",), "maintenance on", 3.0), ("lb1", "maintenance", True, "")]
    (turn.root / "page.html").unlink()
    assert turn(ONE, "off")[1].asked[-1] == ("web2", "maintenance", False, "")


def test_who_is_away_is_told_and_the_others_do_it(turn: Any, capsys: pytest.CaptureFixture[str]) -> None:
    turn.hosts.away = ("web1",)
    code, hosts = turn(ONE, "on")
    said = capsys.readouterr()
    assert code == 3 and hosts.asked[-1][0] == "web2" and "web2  maintenance is on" in said.out and "web1: no answer" in said.err


@pytest.mark.parametrize(
    ("text", "state", "why"),
    [
        (ONE, "maybe", "it is on or off, got maybe"),
        ("hosts: {web1: }\n", "on", "has no `domains`"),
        (ONE.replace("page.html", "none.html"), "on", "none.html cannot be read, got No such file"),
        (ONE.replace("page.html", "empty.html"), "on", "got 0"),
        (ONE.replace("page.html", "latin.html"), "on", "latin.html cannot be read, got not UTF-8"),
        (ONE.replace("page.html", "../page.html"), "on", "a file of the project's"),
        (ONE.replace("domains: [shop.example]\n", ""), "off", "names none"),
    ],
)
def test_what_cannot_be_is_said_and_nobody_is_asked(turn: Any, text: str, state: str, why: str) -> None:
    (turn.root / "empty.html").write_text(" \n")
    (turn.root / "latin.html").write_bytes(b"\xe4")
    with pytest.raises(RaabError) as caught:
        turn(text, state)
    assert why in str(caught.value) and caught.value.exit_code == 2 and not turn.hosts.asked
