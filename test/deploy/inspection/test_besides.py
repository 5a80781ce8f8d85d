from __future__ import annotations

from typing import Any

import pytest

from raab.deploy.inspection import besides
from raab.protocol.service import Examined, ProcessRow, TimerRow

ID = "20261122T061500Z-1a2b3c4"
TIMER = TimerRow("tidy", "waiting", ID, next=2e9, last=0.0, code=None)
WORKER = ProcessRow("worker-1", "worker", "active", ID, 77, 3.0, 0)


def told(**more: Any) -> dict[str, tuple[bool, str]]:
    found = besides.findings(Examined((), {})._replace(**more))
    return {one.check: (one.well, one.text) for one in found}


def test_a_service_that_has_nothing_beside_its_web_is_not_looked_at() -> None:
    assert told() == {}


@pytest.mark.parametrize(("state", "text"), [("active", "worker 1 of 1"), ("auto-restart", "worker 0 of 1")])
def test_as_many_of_a_process_run_as_are_wanted(state: str, text: str) -> None:
    assert told(processes=(WORKER._replace(state=state),), counts={"worker": 1}) == {"processes wanted": (state == "active", text)}


@pytest.mark.parametrize(
    ("timer", "well", "text"),
    [
        (TIMER, True, "tidy waiting"),
        (TIMER._replace(state="running", next=0.0), True, "tidy running"),
        (TIMER._replace(state="failed", code=3), False, "tidy failed, exit code 3"),
        (TIMER._replace(next=0.0), False, "tidy waits for nothing"),
        (TIMER._replace(state="stopped", next=0.0), False, "tidy stopped"),
        (TIMER._replace(state="absent", next=0.0), False, "tidy absent"),
        (TIMER._replace(state="absent"), False, "tidy absent"),
    ],
)
def test_each_timer_is_there_has_a_next_run_and_did_well(timer: TimerRow, well: bool, text: str) -> None:
    assert told(timers=(timer,)) == {"timers": (well, text)}


def test_what_does_not_wait_any_more_is_cured_before_what_failed_is_looked_at() -> None:
    failed, stopped = TIMER._replace(state="failed", code=3), TIMER._replace(name="mail", state="stopped", next=0.0)
    for timers, hint in (((failed, stopped), "fab reload brings it back"), ((failed,), "fab logs tidy says why"), ((TIMER,), "")):
        (found,) = besides.findings(Examined((), {})._replace(timers=timers))
        assert found.helps == hint
