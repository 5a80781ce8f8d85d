"""What a drill's operation acts on, and the notebook in which it leaves what it saw."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from raab.drill.stage.project import Project
from raab.drill.stage.service import Service
from raab.drill.stage.standing import Status
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Client, Kind
from raab.drill.verdict import ANY_CLIENT, ANY_KIND, Excuse, Fact
from raab.lab.state import Lab

# Requests of seconds: a killed master's workers finish what they hold, but not for ever, for they stand in the way of the restart.
LONG = frozenset({Client.SLOW, Client.STREAMED, Client.UPLOAD})
# Open that short before or after a process was killed, a request may have been in its hands: accepted, or on its way there.
AROUND = 0.1
Thing = TypeVar("Thing")


@dataclass
class Scene:
    """One drill on its way. `release` is what all hosts serve with two workers at its beginning.

    `times` scales how often a repeated operation is repeated: 1 in a full run, less in a quick one. `lab` is None on real servers.
    """

    services: tuple[Service, ...]
    project: Project
    release: str
    load: Load
    lab: Lab | None
    times: float = 1.0
    random: random.Random = field(default_factory=lambda: random.Random(20261122))
    operations: int = 0
    round: int = 0
    last_round: int = 0
    facts: list[Fact] = field(default_factory=list)
    excuses: list[Excuse] = field(default_factory=list)

    def rounds(self, full: int) -> Iterator[int]:
        """As many rounds as this run shall have of something that a full run does `full` times; never none."""
        return self.few(range(full))

    def few(self, things: Sequence[Thing]) -> Iterator[Thing]:
        """As many of these as this run shall have of what a full run has all of, a round each; never none."""
        self.last_round = max(1, round(len(things) * self.times))
        for number, thing in enumerate(things[: self.last_round], 1):
            self.round = number
            yield thing

    @property
    def lost(self) -> int:
        """How many requests have failed by now without an excuse."""
        excuses = tuple(self.excuses)
        return sum(not any(excuse.covers(sample) for excuse in excuses) for sample in self.load.failures)

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """One lifecycle operation or fault, marked in the account and counted."""
        self.operations += 1
        with self.load.during(text):
            yield

    def fact(self, what: str, wanted: object, got: object) -> None:
        """Notes what was seen beside what was promised."""
        self.facts.append(Fact(what, str(wanted), str(got)))

    def each(self, act: Callable[[Service], None]) -> None:
        """Does it on all hosts at the same time; the first error comes after all have ended."""
        with ThreadPoolExecutor(len(self.services)) as pool:
            for done in [pool.submit(act, service) for service in self.services]:
                done.result()

    def settled(self, service: Service, what: str, release: str, seconds: float = 20, workers: int | None = None) -> Status:
        """Waits until the host serves the release with all its workers (`workers` of them, if given), and notes that it does."""
        status = service.wait(f"settled {what}", lambda now: now.settled and now.release == release, seconds)
        self.fact(f"{name(service)}: release {what}", release, status.release)
        if workers is not None:
            self.fact(f"{name(service)}: workers serving {what}", workers, len(status.serving))
        return status

    @contextmanager
    def excused(
        self, service: Service, clients: frozenset[Client] = ANY_CLIENT, kinds: frozenset[Kind] = ANY_KIND, around: float = AROUND
    ) -> Iterator[None]:
        """Requests to this host that are open during the block may fail in these ways: the promise does not cover them."""
        under_way = Excuse(target(service), time.monotonic() - around, math.inf, clients, kinds)
        self.excuses.append(under_way)
        try:
            yield
        finally:
            self.excuses[self.excuses.index(under_way)] = replace(under_way, end=time.monotonic() + around)


def name(service: Service) -> str:
    return service.shell.host.name


def target(service: Service) -> str:
    """How the account names the host."""
    return "{}:{}".format(*service.address)
