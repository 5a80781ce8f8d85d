"""How much traffic hosts have, from what their workers have counted at two moments. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any, NamedTuple

from raab.metrics.layout import BOUNDS
from raab.protocol.service import Traffic


class Rates(NamedTuple):
    """Of a host or of several: requests a second, answers with a 5xx status a second, and what 99 of 100 took at most, in seconds, as far
    as the counters tell: one of BOUNDS, infinite beyond the last, None where there was no request."""

    requests: float
    errors: float
    p99: float | None

    def told(self) -> dict[str, Any]:
        """For machines. JSON has no infinity."""
        p99 = None if self.p99 is None or self.p99 == float("inf") else self.p99
        return {"requests_per_second": round(self.requests, 2), "errors_per_second": round(self.errors, 2), "p99_seconds": p99}


class Counted(NamedTuple):
    """What was counted in so many seconds."""

    seconds: float
    requests: int
    errors: int
    buckets: tuple[int, ...]


def between(before: Traffic, after: Traffic) -> Counted | None:
    """None where there is nothing to compare: no time has passed, or the service began to count anew, or counts otherwise than is known."""
    seconds = after.at - before.at
    if {len(before.buckets), len(after.buckets)} != {len(BOUNDS) + 1}:
        return None
    buckets = tuple(new - old for old, new in zip(before.buckets, after.buckets, strict=True))
    if seconds <= 0 or after.errors < before.errors or min(buckets) < 0:
        return None
    return Counted(seconds, sum(buckets), after.errors - before.errors, buckets)


def rates(counted: Iterable[Counted]) -> Rates:
    """Of all of them together."""
    all_of_them = tuple(counted)
    requests = sum(one.requests / one.seconds for one in all_of_them)
    errors = sum(one.errors / one.seconds for one in all_of_them)
    return Rates(requests, errors, highest(tuple(map(sum, zip(*(one.buckets for one in all_of_them), strict=True)))))


def highest(buckets: tuple[int, ...], share: float = 0.99) -> float | None:
    """The bound below which so large a share is."""
    total = sum(buckets)
    bounds = (*BOUNDS, float("inf"))
    return next((bound for bound, count in zip(bounds, accumulate(buckets), strict=False) if total and count >= share * total), None)


def cells(one: Rates | None) -> tuple[str, str, str]:
    """Requests a second, p99, and the share of 5xx, for people."""
    if one is None:
        return ("-", "-", "-")
    share = f"{one.errors / one.requests:.2%}" if one.errors and one.requests else "0"
    return (f"{one.requests:.1f}", "-" if one.p99 is None else "> 10 s" if one.p99 == float("inf") else f"< {spoken(one.p99)}", share)


def spoken(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"
