"""What happens to a master, as values: told by those who talk to its processes, clients and neighbours, taken up by `lifecycle.step`."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from handover.decision.reloads import Outcome
from handover.decision.request import Client, Request
from handover.decision.states import Load


class Plain(Enum):
    """What needs no more to be said."""

    TICK = "time goes on"
    HUP = "a new generation is wanted"
    USR2 = "a new master is wanted"
    STOPPING = "the service ends"
    DRAINED = "nobody waits any more at addresses that the settings do not name"


class Scaled(NamedTuple):
    """An operator's signal: so many workers more are wanted."""

    by: int


class Asked(NamedTuple):
    """A client of the control socket wants something."""

    request: Request
    client: Client


class Gone(NamedTuple):
    """A client has hung up."""

    client: Client


class Read(NamedTuple):
    """The settings of a release were read: what is to be loaded and the `target` that they amount to, or why they are refused, or what
    only a new master can take up (`beyond`)."""

    load: Load | None = None
    target: int = 0
    refusal: str = ""
    beyond: str = ""


class Forked(NamedTuple):
    """What was asked for by that order is a process, or (pid 0) cannot be one, and why."""

    order: int
    pid: int
    why: str = ""


class Said(NamedTuple):
    """A process says that it is ready (a worker to serve, a template to be asked for workers), or a template that forks of it would not be
    safe (`unshared`), and why; it has the application loaded in either case."""

    pid: int
    word: str
    why: str = ""


class Left(NamedTuple):
    """A process has ended: how, in words; whether a signal did it; what it had to say."""

    pid: int
    how: str
    by_signal: bool = False
    reason: str = ""


class Heir(NamedTuple):
    """A successor can serve (`moved`: not at all the addresses of today), or there is none, and why."""

    moved: bool = False
    why: str = ""


class Word(NamedTuple):
    """What a master tells its successor when systemd has been told; one that ended before it could says what the defaults say.

    `again`: whether to reload once more. `outcome`: the verdict. `scaled`: the target, if somebody changed it meanwhile.
    """

    again: bool = False
    outcome: Outcome | None = None
    scaled: int | None = None


Event = Plain | Scaled | Asked | Gone | Read | Forked | Said | Left | Heir | Word
