"""A canary beside the hosts that serve what they served: what came of its share of the requests, and whether it goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from raab.deploy.inspection.rates import Counted, highest
from raab.metrics.layout import BOUNDS

# Of fewer requests the slowest hundredth says nothing.
ENOUGH = 100


class Side(Struct, frozen=True):
    """Requests, how many of them ended with a 5xx status, and what 99 of 100 took at most, in seconds, as far as counters tell; None where
    there were too few, or it was beyond what they know."""

    requests: int
    errors: int
    p99: float | None

    @property
    def told(self) -> str:
        slow = "" if self.p99 is None else f", 99 of 100 within {self.p99 * 1000:g} ms"
        return f"{self.requests:,} requests, {self.errors:,} errors{slow}"


class Comparison(Struct, frozen=True):
    """`share` is what it was to have of all requests, in percent; `problem` why it goes back, empty where it goes on."""

    host: str
    share: int
    seconds: float
    canary: Side
    rest: Side
    problem: str = ""

    @property
    def lines(self) -> str:
        heading = f"canary {self.host}, {self.share} % for {self.seconds:g} s: "
        verdict = f"goes back: {self.problem}" if self.problem else "goes on"
        return f"\n{heading}{self.canary.told}; the others: {self.rest.told}; {verdict}"


def side(counted: Iterable[Counted]) -> Side:
    """Of one host, or several together."""
    hosts = tuple(counted)
    buckets = tuple(map(sum, zip(*(one.buckets for one in hosts), strict=True)))
    requests, errors = sum(one.requests for one in hosts), sum(one.errors for one in hosts)
    p99 = highest(buckets) if requests >= ENOUGH else None
    return Side(requests, errors, None if p99 == float("inf") else p99)


def judged(canary: Side, rest: Side, allowed: float) -> str:
    """Why the release goes back, in words; empty where it goes on. `allowed`: by how many points of a hundred its share of errors may be
    larger. It is too slow when its p99 lies two bounds of the counters or more above the others'."""
    if canary.requests:
        its, theirs = (100 * one.errors / max(1, one.requests) for one in (canary, rest))
        if its > theirs + allowed:
            return f"{its:.2f} % of its answers were errors, and {theirs:.2f} % of the others'"
    if canary.p99 is not None and rest.p99 is not None and BOUNDS.index(canary.p99) >= BOUNDS.index(rest.p99) + 2:
        return f"99 of 100 of its answers took up to {canary.p99 * 1000:g} ms, and {rest.p99 * 1000:g} ms of the others'"
    return ""
