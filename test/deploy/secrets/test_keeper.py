"""What is said of a secret that has just been set."""

from __future__ import annotations

import pytest

from raab.deploy.secrets.keeper import taken_up

WEB = "the web has it from the next reload on: fab reload, or a deploy that changes something"
ANEW = "these are started anew by either, each when it has done what it does: worker, mails"
NEXT = "these have it from their next run on: cleanup"


@pytest.mark.parametrize(
    ("processes", "timers", "lines"),
    [
        ((), (), [WEB]),
        (("worker", "mails"), (), [WEB, ANEW]),
        ((), ("cleanup",), [WEB, NEXT]),
        (("worker", "mails"), ("cleanup",), [WEB, ANEW, NEXT]),
    ],
)
def test_who_has_it_from_when_on_is_told(processes: tuple[str, ...], timers: tuple[str, ...], lines: list[str]) -> None:
    assert list(taken_up("fab reload", processes, timers)) == lines
