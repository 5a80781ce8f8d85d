"""Where a drill is while it runs, and what of that is left in the end."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from raab.drill.progress import Progress, where
from raab.drill.scene import Scene
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Client, Kind, Sample

if TYPE_CHECKING:
    from raab.drill.stage.project import Project
    from raab.drill.stage.service import Service

ADDRESS = ("10.0.0.1", 8000)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Host:
    address = ADDRESS


@pytest.fixture
def scene() -> Scene:
    """One that nothing has been sent to, for a fifth of a full run."""
    return Scene((), cast("Project", None), "r", Load([ADDRESS], None), None, times=0.2)  # type: ignore[arg-type]


def failed(took: float = 0.01) -> Sample:
    return Sample(Client.FRESH, Kind.RESET, "10.0.0.1:8000", time.monotonic(), took, 0.0, 0.0, "", "")


def shown(out: io.StringIO, lines: Iterator[str], seconds: float = 0.1) -> list[str]:
    """What is left to see of a progress that tells these lines and then says `done`."""
    progress = Progress(out, pause=0.005)
    progress.say("begin")
    with progress.telling(lambda: next(lines)):
        time.sleep(seconds)
    progress.say("done")
    return [line.rpartition("\x1b[K")[2] for line in out.getvalue().split("\n")]


def numbers() -> Iterator[str]:
    yield from (f"operation {number}" for number in range(1000))


def test_a_terminal_shows_one_line_that_is_rewritten_and_gone_in_the_end() -> None:
    out = Terminal()
    assert shown(out, numbers()) == ["begin", "done", ""]
    assert "\r\x1b[Koperation 0\r\x1b[Koperation 1" in out.getvalue()


def test_a_line_fits_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that wraps could not be rewritten."""
    monkeypatch.setenv("COLUMNS", "11")
    out = Terminal()
    shown(out, numbers())
    assert "operation\r" not in out.getvalue()
    assert "\x1b[Koperation \r" in out.getvalue()


def test_a_file_gets_plain_lines() -> None:
    lines = shown(io.StringIO(), numbers())
    assert lines[:3] == ["begin", "operation 0", "operation 1"]
    assert lines[-2:] == ["done", ""]


def test_a_file_gets_one_every_ten_seconds_and_a_terminal_one_that_a_person_can_read() -> None:
    assert (Progress(io.StringIO())._pause, Progress(Terminal())._pause) == (10.0, 0.5)


def test_a_drill_tells_where_it_is(scene: Scene) -> None:
    """Its place among the drills, its round, its operations, and what became of the requests so far."""
    rounds = scene.rounds(15)
    for _ in range(2):
        next(rounds)
        with scene.phase("reload"):
            pass
    scene.load._senders[0].samples += [failed(), failed()]
    scene.load._senders[0].failures += [failed()]
    said = where("reload", "3 of 39", scene, time.monotonic() - 61)
    assert said == "...   reload             drill 3 of 39, round 2 of 3, operation 2, 2 requests so far, 1 lost, 61 s"


def test_a_run_has_its_share_of_the_rounds_and_never_none(scene: Scene) -> None:
    assert (list(scene.rounds(15)), list(scene.rounds(1)), list(scene.few("abcdefghij"))) == ([0, 1, 2], [0], ["a", "b"])


def test_what_is_excused_does_not_count_as_lost_while_the_excuse_lasts_and_afterwards(scene: Scene) -> None:
    service = cast("Service", Host())
    with scene.excused(service, kinds=frozenset({Kind.RESET}), around=0.0):
        scene.load._senders[0].failures.append(failed())
        assert scene.lost == 0
        time.sleep(0.05)
    assert scene.lost == 0
    scene.load._senders[0].failures.append(failed())
    assert scene.lost == 1
