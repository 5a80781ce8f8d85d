"""What a drill has to show, and whether it did. Pure: from values to a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from raab.drill.traffic.account import Account, Mark
from raab.drill.traffic.values import Client, Kind, Sample

ANY_CLIENT = frozenset(Client)
ANY_KIND = frozenset(Kind)
BEGUN = "operation begin"
ENDED = "operation end"
MOST_REASONS = 20


@dataclass(frozen=True)
class Fact:
    """What a host (or a command) said, beside what the promise needs it to say."""

    what: str
    wanted: str
    got: str

    @property
    def holds(self) -> bool:
        return self.wanted == self.got


@dataclass(frozen=True)
class Excuse:
    """Requests to one target (`address:port`) that may fail: those of these clients, in these ways, that were open between two moments."""

    target: str
    begin: float
    end: float
    clients: frozenset[Client] = ANY_CLIENT
    kinds: frozenset[Kind] = ANY_KIND

    def covers(self, sample: Sample) -> bool:
        open_then = sample.at <= self.end and sample.at + sample.took >= self.begin
        return open_then and sample.target == self.target and sample.client in self.clients and sample.kind in self.kinds


@dataclass(frozen=True)
class Invariant:
    """What the requests have to show, beyond that none is lost.

    `added` is by how many seconds the slowest request may exceed the slowest of the steady state before the operation; None where the
    promise lets requests wait. `longest` bounds every wait then. `least` is how many requests there must be: of none, none is lost.
    """

    added: float | None = 0.75
    longest: float = 30.0
    least: int = 20


@dataclass(frozen=True)
class Evidence:
    """All that a drill has brought to light. `error` is what ended its operation before time, if anything did."""

    account: Account
    facts: tuple[Fact, ...] = ()
    excuses: tuple[Excuse, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Waits:
    """The slowest request in steady state, the slowest during the operation, and what that was allowed; seconds."""

    steady: float
    slowest: float
    allowed: float


@dataclass(frozen=True)
class Verdict:
    """Whether the drill's promise was kept; if not, why. `lost` counts requests without an excuse, `excused` the other failed ones."""

    good: bool
    reasons: tuple[str, ...]
    lost: int
    excused: int
    waits: Waits


def judge(invariant: Invariant, evidence: Evidence) -> Verdict:
    """The verdict. The drill is good when no request was lost or waited longer than allowed, and each host said what it had to."""
    failures = evidence.account.failures
    lost = tuple(sample for sample in failures if not any(excuse.covers(sample) for excuse in evidence.excuses))
    waits = measure(invariant, evidence)
    reasons = [f"the drill could not be carried through: {evidence.error}"] if evidence.error else []
    if evidence.account.total < invariant.least:
        reasons.append(f"too few requests to say anything: wanted {invariant.least}, got {evidence.account.total}")
    if lost:
        reasons.append(f"{len(lost):,} of {evidence.account.total:,} requests lost: {ways(lost, evidence.account.marks)}")
    if waits.slowest > waits.allowed:
        reasons.append(f"the slowest request waited {ms(waits.slowest)}: wanted at most {ms(waits.allowed)} (steady: {ms(waits.steady)})")
    reasons += [f"{fact.what}: wanted {fact.wanted}, got {fact.got}" for fact in evidence.facts if not fact.holds]
    return Verdict(not reasons, tuple(reasons[:MOST_REASONS]), len(lost), len(failures) - len(lost), waits)


def measure(invariant: Invariant, evidence: Evidence) -> Waits:
    """The waits that the server caused: without the sender's own lag, and without those that an excuse covers whatever their end."""
    begun = next((mark.at for mark in evidence.account.marks if mark.text == BEGUN), float("inf"))
    steady = slowest = 0.0
    for sample in evidence.account.samples:
        if sample.kind is not Kind.OK or any(excuse.covers(sample) for excuse in evidence.excuses):
            continue
        wait = max(0.0, sample.wait - sample.lag)
        if sample.at + sample.took < begun:
            steady = max(steady, wait)
        else:
            slowest = max(slowest, wait)
    allowed = invariant.longest if invariant.added is None else min(invariant.longest, steady + invariant.added)
    return Waits(steady, slowest, allowed)


def ways(lost: tuple[Sample, ...], marks: tuple[Mark, ...]) -> str:
    """How requests were lost, most frequent way first, each with its first one's detail and the mark that it came after."""
    counted = Counter((sample.client, sample.kind) for sample in lost)
    first = {(sample.client, sample.kind): sample for sample in reversed(lost)}
    return ", ".join(
        f"{count} {key[0].value} {key[1].value} ({first[key].detail}, {when(first[key], marks)})" for key, count in counted.most_common()
    )


def when(sample: Sample, marks: tuple[Mark, ...]) -> str:
    """The end of a request by the last mark before it."""
    ended = sample.at + sample.took
    last = max((mark for mark in marks if mark.at <= ended), key=lambda mark: mark.at, default=None)
    return f"{ended - last.at:.2f} s after {last.text!r}, begun {sample.took:.2f} s before" if last else "before the operation"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
