"""What a master decides on, as values: its fleet, the reload under way, the next one, who waits for what, who follows whom."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from handover.decision.request import Client
from handover.decision.states import Fleet, Load


class Now(NamedTuple):
    """When and where something is decided: `time` in seconds of the monotonic clock, `wall` since the epoch, and the release that the link
    leads to."""

    time: float
    wall: float
    current: str


class Outcome(NamedTuple):
    """The verdict of a reload: `good` or the reason why not; `at` in seconds since the epoch."""

    good: bool
    reason: str
    generation: int
    seconds: float
    at: float
    replaced: bool


@dataclass(frozen=True)
class Held:
    """A generation that is loaded before its `release` is the current one, and has no workers until it is.

    So the trial of a release is made by the very template that its workers will be forked from. Whether they will is decided by the link
    to the release alone, which `client` moves or does not, until the `deadline`: a deployer that is killed leaves no doubt.
    """

    client: Client
    release: str
    deadline: float = math.inf


@dataclass(frozen=True)
class Reload:
    """A reload under way: when it `began`, which `clients` wait for its verdict, what `load` and `target` were `before` it.

    `scaled`: somebody has changed the target since. `heir`: why a new master is needed, which has until `deadline` once it is launched, and
    the `environment` to start with if that is another one than this master's.
    `taken`: the new generation serves, and the reload is over when no worker of before accepts connections any more.
    """

    began: float
    clients: tuple[Client, ...]
    before: Load
    target: int
    scaled: bool = False
    held: Held | None = None
    heir: str = ""
    taken: bool = False
    deadline: float | None = None
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class State:
    """All that a master decides on.

    `wish`: the clients that wait for the next reload, or None when none was asked for; `environment`: what that one is to start a new
    master with, if the last of them has said so. `scalers` wait for the target, each with the one before. `follows`: a predecessor still
    speaks for the service. `moving`: there are sockets of addresses that the settings do not name, found by this start or left to us by a
    successor, which today's workers serve until nobody waits there. `leaving`: when to end, since a successor serves. `rest`: no process
    is forked before that time. `why`: what the last process that could not boot had to say.
    """

    fleet: Fleet
    reload: Reload | None = None
    wish: tuple[Client, ...] | None = None
    environment: Mapping[str, str] | None = None
    scalers: tuple[tuple[Client, int], ...] = ()
    outcome: Outcome | None = None
    follows: bool = False
    moving: bool = False
    leaving: float | None = None
    stopping: bool = False
    rest: float = 0.0
    why: str = ""

    @property
    def busy(self) -> bool:
        """Whether a new reload has to wait."""
        return self.reload is not None or self.fleet.incoming is not None or self.follows or self.leaving is not None
