"""Who has asked for a command and types at the other end of a connection. Standard library only."""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Callable

from raab.host import systemd
from raab.host.beside import timers
from raab.host.paths import Paths
from raab.host.running.attend import attend
from raab.host.running.begin import attached, detached
from raab.host.running.round import Round
from raab.protocol import conversation, requests, streams
from raab.protocol.answers import Begun, Ran, Said
from raab.protocol.conversation import Event
from raab.protocol.streams import Input

_BLOCK = 1 << 16


class Afar:
    """A deployer. What he types comes as lines on this session's input, what is said goes to him as events."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.emit = emit
        self.input = sys.stdin.fileno()
        self.beside = None
        self.rest = b""
        self.ended = False
        self.heard = time.monotonic()

    @property
    def gone(self) -> bool:
        """Whether the connection has ended, or nothing has come for too long."""
        return self.ended or time.monotonic() - self.heard > conversation.HOSTS_PATIENCE_SECONDS

    def hear(self, descriptor: int) -> list[Input]:
        """Raises RaabError for what is no line of his."""
        block = os.read(descriptor, _BLOCK)
        self.heard = time.monotonic()
        self.ended = not block
        *lines, self.rest = (self.rest + block).split(b"\n")
        return [streams.decode(line) for line in lines if line]

    def say(self, stream: int, block: bytes) -> None:
        self.emit(Said(stream, base64.b64encode(block).decode()))


def run(paths: Paths, request: requests.Run, emit: Callable[[Event], None]) -> Ran:
    """Its exit code; or of one that is to be by itself the unit that it has become."""
    if request.timer:
        return run_timer(timers.named(paths, request.timer), request.detach, emit)
    if request.detach:
        return Ran(0, detached(paths, request.words))
    with attached(paths, request.words, request.size, request.term) as running:
        # Nothing is typed before, which would be read with the request.
        emit(Begun())
        return Ran(attend(running, Afar(emit)))


def run_timer(unit: str, detach: bool, emit: Callable[[Event], None]) -> Ran:
    """The same of what a timer runs. Nobody types to it."""
    if detach:
        systemd.must("systemctl", "start", "--no-block", unit)
        return Ran(0, unit)
    with Round(unit) as running:
        return Ran(attend(running, Afar(emit)))
