"""The master that this one follows, which started it (handover/outside/successor.py) and speaks for the service until this one can."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import MutableMapping, Sequence

from handover.decision.events import Event, Word
from handover.decision.reloads import Outcome
from handover.outside.successor import CHANNEL


class Predecessor:
    """The conversation with it."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel

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
    """The master that started this one, or None. The variable is taken out of the environment."""
    number = environ.pop(CHANNEL, None)
    if number is None:
        return None
    channel = socket.socket(fileno=int(number))
    channel.set_inheritable(False)
    channel.setblocking(False)
    known = Predecessor(channel)
    known.tell(f"pid {os.getpid()}")
    return known
