"""The master that this one follows, which started it (handover/outside/successor.py) and speaks for the service until this one can."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import MutableMapping, Sequence

from handover.decision.events import Event, Word
from handover.decision.reloads import Outcome
from handover.outside.successor import CHANNEL, SPEAKS, VERSION


class Predecessor:
    """The conversation with it; `speaks` is the version of what it says."""

    def __init__(self, channel: socket.socket, speaks: int) -> None:
        self.channel = channel
        self.speaks = speaks

    @property
    def unspoken(self) -> str:
        """Why the two cannot understand each other; empty where they can."""
        if self.speaks <= VERSION:
            return ""
        return (
            f"the new master speaks version {VERSION} with the one that it follows, got version {self.speaks}\n"
            "hint: take this release up by a restart, such as by fab deploy --restart: connections wait meanwhile"
        )

    def tell(self, word: str) -> None:
        """Say `ready`, `ready moved`, or `failed` and why. One that is gone is noticed by `read`."""
        with contextlib.suppress(OSError):
            self.channel.send(word.encode()[:4000])

    def read(self) -> Sequence[Event]:
        """It has named us to systemd, or it is gone."""
        word = self.channel.recv(4096)
        if not word:
            return (Word(),)
        again, outcome, scaled = json.loads(word)
        return (Word(again, Outcome(*outcome) if outcome else None, scaled),)


def predecessor(environ: MutableMapping[str, str]) -> Predecessor | None:
    """The master that started this one, or None. The variables are taken out of the environment."""
    number, spoken = environ.pop(CHANNEL, None), environ.pop(SPEAKS, "")
    if number is None:
        return None
    channel = socket.socket(fileno=int(number))
    channel.set_inheritable(False)
    channel.setblocking(False)
    told = re.fullmatch(rf"{os.getpid()} ([0-9]{{1,9}})", spoken)
    known = Predecessor(channel, int(told[1]) if told else 1)
    known.tell(f"pid {os.getpid()}")
    return known
