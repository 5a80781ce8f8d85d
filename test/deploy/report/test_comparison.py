"""Whether a canary goes on, by what came of its share of the requests."""

from __future__ import annotations

import pytest

from raab.deploy.inspection.rates import Counted
from raab.deploy.report.comparison import Comparison, Side, judged, side
from raab.metrics.layout import BOUNDS

FAST, NEXT, SLOW = BOUNDS[0], BOUNDS[1], BOUNDS[2]
OTHERS = Side(1_000, 10, FAST)


@pytest.mark.parametrize(
    ("canary", "others", "why"),
    [
        (Side(100, 1, FAST), OTHERS, ""),
        # By a point more than the others', and no more.
        (Side(100, 2, FAST), OTHERS, ""),
        (Side(100, 3, FAST), OTHERS, "3.00 % of its answers were errors, and 1.00 % of the others'"),
        # One request is enough to be an error.
        (Side(1, 1, None), OTHERS, "100.00 % of its answers were errors"),
        (Side(1, 1, None), Side(0, 0, None), "100.00 % of its answers were errors, and 0.00 %"),
        (Side(0, 0, None), OTHERS, ""),
        (Side(500, 5, NEXT), OTHERS, ""),
        (Side(500, 5, SLOW), OTHERS, "99 of 100 of its answers took up to"),
        (Side(500, 5, None), OTHERS, ""),
        (Side(500, 5, SLOW), Side(20, 0, None), ""),
    ],
)
def test_it_goes_back_where_it_does_worse(canary: Side, others: Side, why: str) -> None:
    assert judged(canary, others, 1.0).startswith(why) and bool(judged(canary, others, 1.0)) == bool(why)


def test_hosts_are_counted_together_and_few_requests_have_no_slowest_hundredth() -> None:
    one = Counted(10.0, 60, 1, (60, *(0,) * len(BOUNDS)))
    assert side([one]) == Side(60, 1, None)
    assert side([one, one]) == Side(120, 2, FAST)


def test_what_is_told() -> None:
    told = Comparison("web1", 10, 60.0, Side(1_200, 0, 0.05), Side(9_000, 2, 0.05)).lines
    assert told == (
        "\ncanary web1, 10 % for 60 s: 1,200 requests, 0 errors, 99 of 100 within 50 ms; "
        "the others: 9,000 requests, 2 errors, 99 of 100 within 50 ms; goes on"
    )
