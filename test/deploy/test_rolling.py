"""Host after host out of the pool, restarted, and back; hosts that are played by the test."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.deploy.plan.facts import HostFacts
from raab.deploy.rolling import REBOOT, RESTART, Act, Rolling, fit, roll
from raab.errors import RaabError
from raab.protocol.answers import Timed
from raab.protocol.facts import InstalledRelease

NAMES = ("a", "b", "c", "d")


@dataclass
class Played:
    """Stands for the runner: `broken` says which host refuses what."""

    broken: tuple[tuple[str, str], ...] = ()
    log: list[str] = field(default_factory=list)
    out: int = 0
    most: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, name: str, operation: str, *_: object, **values: Any) -> Timed:
        with self.guard:
            self.log.append(f"{operation} {name}")
            self.out += {"drain": 1, "undrain": -1}.get(operation, 0)
            self.most = max(self.most, self.out)
        time.sleep(0.01)
        if (name, operation) in self.broken:
            raise RaabError(f"host {name}: it would not", exit_code=exitcodes.REFUSED)
        return Timed(0.1)

    def reboot(self, name: str) -> None:
        self.ask(name, "reboot")

    def progress(self, host: str, text: str) -> None:
        """Nobody listens."""

    def stands(self, name: str, **changes: object) -> None:
        """Nobody interrupts."""


def rolled(played: Played, at_once: int = 1, act: Act = RESTART) -> dict[str, str]:
    turns = Rolling(played, act, 7, lambda seconds: played.log.append(f"wait {seconds:g}")).carry_out(NAMES, at_once)  # type: ignore[arg-type]
    return {name: turn.error.message if turn.error else "done" for name, turn in turns.items()}


def test_each_is_back_before_the_next_one_leaves() -> None:
    """And the balancer has had the time to notice that."""
    played = Played()
    assert rolled(played) == dict.fromkeys(NAMES, "done")
    turns = [[f"drain {name}", f"service {name}", f"undrain {name}"] for name in NAMES]
    assert played.log == [*turns[0], *(line for turn in turns[1:] for line in ("wait 7", *turn))]


def test_a_reboot_goes_the_same_way() -> None:
    played = Played(broken=(("b", "reboot"),))
    assert list(rolled(played, act=REBOOT)) == ["a", "b"]
    assert played.log == ["drain a", "reboot a", "undrain a", "wait 7", "drain b", "reboot b"]


def test_no_more_are_out_than_may_be() -> None:
    played = Played()
    assert rolled(played, at_once=2) == dict.fromkeys(NAMES, "done")
    assert played.most == 2 and played.log.count("wait 7") == 1


@pytest.mark.parametrize("where", ["drain", "service", "undrain"])
def test_it_stops_where_one_does_not_come_back(where: str) -> None:
    played = Played(broken=(("b", where),))
    told = rolled(played)
    assert list(told) == ["a", "b"] and told["a"] == "done" and "host b: it would not" in told["b"]
    assert not [line for line in played.log if line.endswith((" c", " d"))]
    assert ("undrain b" in played.log) == (where == "undrain")


def test_a_fleet_with_a_host_that_does_not_serve_is_left_alone() -> None:
    """Another one out would be one more that is missing."""
    release = InstalledRelease("one", True, "", "1", "", "")
    well = HostFacts("3.11.2", "CPython", "", "x86_64", "", 0, 1.0, 1, 2, 3, 252, releases=(release,), current="one")
    fit({"a": well._replace(service={"ActiveState": "active"})})
    with pytest.raises(RaabError, match="host b: its service does not serve, got failed"):
        fit({"a": well._replace(service={"ActiveState": "active"}), "b": well._replace(service={"ActiveState": "failed"})})
    with pytest.raises(RaabError, match="got no release"):
        fit({"a": well._replace(current=None)})


@pytest.mark.parametrize(("hosts", "at_once"), [(None, 2), (None, 0), ("a", 0)])
def test_one_host_serves_all_the_while(tmp_path: Path, hosts: str | None, at_once: int) -> None:
    """Where hosts are named, others serve."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/e.yaml").write_text("hosts: {a: , b: }\n")
    with pytest.raises(RaabError, match="one host serves all the while"):
        roll(Desk(tmp_path, "e", hosts), RESTART, at_once, 0.0)
