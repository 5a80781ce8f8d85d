"""What became of all requests, and how long they waited. Pure: made from samples, and cut into smaller accounts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from raab.drill.traffic.values import Client, Kind, Sample


@dataclass(frozen=True)
class Mark:
    """A moment of the operation that the load was sent through, in seconds of the monotonic clock."""

    at: float
    text: str


@dataclass(frozen=True)
class Bucket:
    """The requests that were due within one short time from `at` on; `slowest` is their longest wait in seconds.

    `answered` counts the good answers that came to their end within it, whenever they were due: what is asked for on a schedule
    cannot show a stall, what is answered does.
    """

    at: float
    count: int
    failed: int
    slowest: float
    answered: int


@dataclass(frozen=True)
class Account:
    """Every request of a load, with the marks of what was done meanwhile."""

    samples: tuple[Sample, ...] = field(repr=False)
    marks: tuple[Mark, ...] = ()

    @property
    def total(self) -> int:
        return len(self.samples)

    @cached_property
    def failures(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.kind is not Kind.OK)

    @cached_property
    def counts(self) -> tuple[tuple[Client, Kind, int], ...]:
        """How many requests of each client ended how, in the order of the definitions; without the zeros."""
        counter = Counter((sample.client, sample.kind) for sample in self.samples)
        return tuple((client, kind, counter[client, kind]) for client in Client for kind in Kind if counter[client, kind])

    @cached_property
    def labels(self) -> tuple[tuple[str, int], ...]:
        """Which releases answered how many requests, in the order of their first answer."""
        answered = sorted((sample for sample in self.samples if sample.label), key=lambda sample: sample.at)
        return tuple(Counter(sample.label for sample in answered).items())

    @cached_property
    def slowest(self) -> Sample | None:
        """The request that waited longest among those that got their answer; None if none did."""
        return max((sample for sample in self.samples if sample.kind is Kind.OK), key=lambda sample: sample.wait, default=None)

    @property
    def longest(self) -> float:
        """How long the slowest request waited, in seconds; 0 if none was answered."""
        return self.slowest.wait if self.slowest else 0.0

    @cached_property
    def _waits(self) -> tuple[float, ...]:
        return tuple(sorted(sample.wait for sample in self.samples if sample.kind is Kind.OK))

    def percentile(self, percent: float) -> float:
        """The wait, in seconds, that this many percent of the answered requests did not exceed; 0 if none was answered."""
        return self._waits[max(0, math.ceil(len(self._waits) * percent / 100) - 1)] if self._waits else 0.0

    @cached_property
    def lag(self) -> float:
        """How late the sender itself was at most, in seconds. Waits of this size may be the sender's."""
        return max((sample.lag for sample in self.samples), default=0.0)

    @property
    def bound(self) -> float:
        """What the observation says about the failure rate when nothing failed: with 95 % confidence it is below 3/N (rule of three)."""
        return min(1.0, 3 / self.total) if self.total else 1.0

    def of(self, *clients: Client) -> Account:
        """The requests of these clients only."""
        return Account(tuple(sample for sample in self.samples if sample.client in clients), self.marks)

    def between(self, begin: float, end: float) -> Account:
        """The requests that were due or still open at some time between the two moments (seconds of the monotonic clock)."""
        return Account(tuple(sample for sample in self.samples if sample.at <= end and sample.at + sample.took >= begin), self.marks)

    def moment(self, text: str) -> float:
        """When the first mark of that text was set. Raises KeyError if there is none."""
        for mark in self.marks:
            if mark.text == text:
                return mark.at
        raise KeyError(text)

    def timeline(self, width: float = 0.01) -> tuple[Bucket, ...]:
        """The load over time in buckets of `width` seconds; without the empty ones."""
        due: dict[int, list[Sample]] = {}
        answered: Counter[int] = Counter()
        for sample in self.samples:
            due.setdefault(math.floor(sample.at / width), []).append(sample)
            if sample.kind is Kind.OK:
                answered[math.floor((sample.at + sample.took) / width)] += 1
        return tuple(bucket(number, width, due.get(number, []), answered[number]) for number in sorted({*due, *answered}))

    def line(self) -> str:
        """The account in one line, for people."""
        by_client = Counter(sample.client for sample in self.samples)
        clients = ", ".join(f"{by_client[client]:,} {client.value}" for client in Client if by_client[client])
        percentiles = ", ".join(f"p{percent:g} {_ms(self.percentile(percent))}" for percent in (50, 99, 99.9))
        parts = [
            f"{self.total:,} requests ({clients})", f"{len(self.failures):,} failed ({self._how()})",
            f"slowest {_ms(self.longest)}, {percentiles}", f"sender's lag {_ms(self.lag)}",
        ]  # fmt: skip
        if self.labels:
            parts.append("answered by " + ", ".join(f"{label} {count:,}" for label, count in self.labels))
        return "; ".join(parts)

    def _how(self) -> str:
        if not self.failures:
            return f"3/N = {self.bound:.1g}"
        return ", ".join(f"{client.value} {kind.value} {count:,}" for client, kind, count in self.counts if kind is not Kind.OK)


def bucket(number: int, width: float, due: list[Sample], answered: int) -> Bucket:
    failed = sum(sample.kind is not Kind.OK for sample in due)
    return Bucket(number * width, len(due), failed, max((sample.wait for sample in due), default=0.0), answered)


def merge(accounts: Iterable[Account]) -> Account:
    """All requests of several loads in one account, for totals."""
    accounts = tuple(accounts)
    return Account(tuple(s for one in accounts for s in one.samples), tuple(m for one in accounts for m in one.marks))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
