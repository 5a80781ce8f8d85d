"""What a run of drills came to, for people, machines and the report. Frozen values, made from accounts."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raab.drill.traffic.account import Account, Bucket, Mark
from raab.drill.traffic.values import Kind
from raab.drill.verdict import Fact, Verdict, ms

BUCKET = 0.01
TOOLS = ("raab", "flask", "gunicorn", "gevent", "greenlet")


@dataclass(frozen=True)
class Count:
    """How many requests of one client ended in one way."""

    client: str
    kind: str
    requests: int


@dataclass(frozen=True)
class Result:
    """One drill's outcome. Seconds throughout; `started` is the moment from which marks and buckets count."""

    name: str
    promise: str
    verdict: Verdict
    seconds: float
    operations: int
    facts: int
    broken_facts: tuple[Fact, ...]
    requests: int
    failed: int
    counts: tuple[Count, ...]
    percentiles: tuple[tuple[float, float], ...]
    lag: float
    marks: tuple[Mark, ...]
    timeline: tuple[Bucket, ...]

    @property
    def bound(self) -> float:
        """Where nothing was lost: the rate of losses is below this with 95 % confidence (rule of three)."""
        return min(1.0, 3 / self.requests) if self.requests else 1.0

    def line(self) -> str:
        """The result in one line, for people."""
        lost = f"{self.verdict.lost} lost" + ("" if self.verdict.lost else f" (3/N = {self.bound:.1e})")
        excused = f", {self.verdict.excused} excused" if self.verdict.excused else ""
        return (
            f"{'ok  ' if self.verdict.good else 'FAIL'}  {self.name:<18} {self.operations:>4} operations  {self.requests:>8,} requests"
            f"  {lost}{excused}, slowest {ms(self.verdict.waits.slowest)}, {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class Machine:
    """Where it was measured, and with what."""

    system: str
    processor: str
    cores: int
    memory_mb: int
    python: str
    versions: tuple[tuple[str, str], ...]

    def line(self) -> str:
        tools = ", ".join(f"{name} {number}" for name, number in self.versions)
        return f"{self.system}, {self.cores} cores ({self.processor}), {self.memory_mb:,} MB, Python {self.python}, {tools}"


@dataclass(frozen=True)
class Run:
    """All results. `began` in seconds since the epoch."""

    environment: str
    hosts: int
    rate: float
    began: float
    seconds: float
    machine: Machine
    results: tuple[Result, ...]

    @property
    def good(self) -> bool:
        return all(result.verdict.good for result in self.results)

    @property
    def requests(self) -> int:
        return sum(result.requests for result in self.results)

    @property
    def operations(self) -> int:
        return sum(result.operations for result in self.results)

    def line(self) -> str:
        """The sentence at the end."""
        lost, excused = (sum(getattr(result.verdict, name) for result in self.results) for name in ("lost", "excused"))
        bound = "" if lost or not self.requests else f" (3/N = {3 / self.requests:.1e})"
        passed = sum(result.verdict.good for result in self.results)
        return (
            f"drill {self.environment}: {passed} of {len(self.results)} drills passed, {self.requests:,} requests"
            f" through {self.operations:,} operations on {self.hosts} hosts, {lost} lost{bound}, {excused} excused, {self.seconds:.0f} s"
        )

    def document(self) -> dict[str, Any]:
        """For machines; `good`, `requests` and `operations` are given beside the values that they follow from."""
        return {**asdict(self), "good": self.good, "requests": self.requests, "operations": self.operations}


def machine() -> Machine:
    """This machine, as far as it says something of the figures."""
    processor = next((line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next((int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    system = f"{platform.system()} {platform.release()}"
    versions = tuple((name, version(name)) for name in TOOLS)
    return Machine(system, processor, os.cpu_count() or 1, memory, platform.python_version(), versions)


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines() if Path(file).exists() else []


def result(
    name: str, promise: str, verdict: Verdict, account: Account, facts: tuple[Fact, ...], operations: int, began: float, seconds: float
) -> Result:
    """Condenses an account; its samples, hundreds of thousands in a run, need not be kept. Times count from `began` on."""
    return Result(
        name, promise, verdict, round(seconds, 3), operations, len(facts), tuple(fact for fact in facts if not fact.holds),
        account.total, len(account.failures),
        tuple(Count(client.value, kind.value, requests) for client, kind, requests in account.counts),
        tuple((percent, account.percentile(percent)) for percent in (50, 99, 99.9)), account.lag,
        tuple(Mark(round(mark.at - began, 3), mark.text) for mark in account.marks),
        tuple(
            Bucket(round(bucket.at - began, 2), bucket.count, bucket.failed, round(bucket.slowest, 4), bucket.answered)
            for bucket in account.timeline(BUCKET)
        ),
    )  # fmt: skip


def failures(result: Result) -> tuple[Count, ...]:
    """The counts of requests that got no answer, or no good one."""
    return tuple(count for count in result.counts if count.kind != Kind.OK.value)
