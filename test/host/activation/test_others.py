"""Whether somebody else has restarted the service: systemd's word, and nobody's at the control socket."""

from __future__ import annotations

import pytest

from raab.host.activation import others

TOLD = {"ActiveState": "active", "Job": "", "InvocationID": "a1", "MainPID": "7"}


@pytest.mark.parametrize(
    ("before", "now", "another"),
    [
        ({}, {}, False),
        ({}, {"ActiveState": "reloading"}, False),
        # The same process id, after a start of which nobody saw anything.
        ({}, {"InvocationID": "b2"}, True),
        ({}, {"InvocationID": "b2", "MainPID": "9"}, True),
        ({}, {"MainPID": "9"}, True),
        ({}, {"Job": "5"}, True),
        ({}, {"ActiveState": "activating"}, True),
        ({}, {"ActiveState": "failed", "InvocationID": "", "MainPID": "0"}, True),
        # What was between two runs when it was asked is another one afterwards.
        ({"ActiveState": "deactivating"}, {}, True),
        ({"Job": "5"}, {"Job": "5"}, True),
    ],
)
def test_a_run_is_told_from_the_next_by_systemds_number_of_it(before: dict[str, str], now: dict[str, str], another: bool) -> None:
    assert others.of({**TOLD, **before}).became(others.of({**TOLD, **now})) is another
