"""What a master does, as values: ordered by `lifecycle.step`, carried out by master.py."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from handover.decision.events import Word
from handover.decision.request import Client


class Plain(Enum):
    """What needs no more to be said than the state says."""

    BEGIN = "tell systemd that a reload begins, and how long it may take"
    LAUNCH = "start a successor on our sockets"
    ABANDON = "end a successor that is not ready"
    HAND_OVER = "name the successor to systemd"
    SAVE = "keep the target"
    SERVE = "the first generation is complete: open the control socket, tell a predecessor"
    DRAIN = "see whether somebody still waits at addresses that the settings do not name"
    DROP = "give these addresses up, but for the workers that serve them"
    ANNOUNCE = "tell systemd that nothing is under way, and what serves"
    ANNOUNCE_TARGET = "tell systemd what serves"
    TIDY = "collect garbage, now that nobody waits"
    HALT = "end: the first generation cannot be had"
    LEAVE = "end: a successor serves"


class Fork(NamedTuple):
    """Fork a worker that loads the application by itself, or a template."""

    order: int
    generation: int
    template: bool = False


class Order(NamedTuple):
    """Ask a template for a worker."""

    template: int
    order: int


class Retire(NamedTuple):
    """Tell a process to finish what it holds and leave."""

    pid: int


class Read(NamedTuple):
    """Read the settings of the release that is current, or of one that shall be `held`; or find out whether a new master could, since this
    one would read them by the environment of before (`renewed`)."""

    held: str = ""
    renewed: bool = False


class Restore(NamedTuple):
    """Have earlier settings hold again."""

    settings: Any


class Tell(NamedTuple):
    """Tell a client something: its answer, or that its release is held (`held`), which the answer will follow."""

    client: Client
    word: Any
    held: bool = False


class TellStatus(NamedTuple):
    """Answer a client with the state of everything."""

    client: Client


class Bequeath(NamedTuple):
    """Tell the successor so."""

    word: Word


class Log(NamedTuple):
    """A line of the log, at one of logging's levels."""

    level: int
    text: str


Action = Plain | Fork | Order | Retire | Read | Restore | Tell | TellStatus | Bequeath | Log
