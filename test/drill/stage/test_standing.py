"""When a service counts as settled, and which of its workers serve."""

from __future__ import annotations

import pytest

from raab.drill.stage.standing import Status, Worker


def status(target: int, *phases: tuple[int, str], generation: int = 2, incoming: int | None = None) -> Status:
    workers = tuple(Worker(100 + number, born, phase, 1.0) for number, (born, phase) in enumerate(phases))
    return Status(1, "r", generation, incoming, target, None, workers)


@pytest.mark.parametrize(
    ("seen", "settled"),
    [
        (status(2, (2, "serving"), (2, "serving")), True),
        # What retires does not count, however long it takes.
        (status(2, (1, "retiring"), (2, "serving"), (2, "serving")), True),
        (status(2, (2, "serving")), False),
        (status(2, (2, "serving"), (2, "booting")), False),
        (status(2, (1, "serving"), (2, "serving")), False),
        (status(1, (2, "serving"), (2, "serving")), False),
        (status(1, (2, "serving"), incoming=3), False),
    ],
)
def test_settled(seen: Status, settled: bool) -> None:
    """Exactly as many workers serve as are wanted, all of the generation that serves, and nothing is on its way."""
    assert seen.settled is settled


def test_serving() -> None:
    """Those that retire or boot are not among them."""
    assert status(2, (1, "retiring"), (2, "serving"), (2, "booting")).serving == (101,)
