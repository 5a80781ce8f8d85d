"""Standing between a command and who has asked for it, until it has ended. Standard library only."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Protocol

from raab.protocol.streams import Input, Size

# Seconds.
_LOOK = 1.0


class Asking(Protocol):
    """Who has asked: `input` is where is typed, None after its end; `beside` where other news comes. `gone`: nobody is there any more."""

    @property
    def input(self) -> int | None: ...

    @property
    def beside(self) -> int | None: ...

    @property
    def gone(self) -> bool: ...

    def hear(self, descriptor: int) -> list[Input]: ...

    def say(self, stream: int, block: bytes) -> None: ...


class Attended(Protocol):
    """A command: each in the words of `Running`."""

    news: int

    @property
    def over(self) -> bool: ...

    @property
    def waiting(self) -> tuple[int, ...]: ...

    def tell(self, say: Callable[[int, bytes], None]) -> None: ...

    def look(self) -> None: ...

    def type(self, block: bytes) -> None: ...

    def feed(self) -> None: ...

    def resize(self, size: Size) -> None: ...

    def stop(self) -> None: ...

    def code(self) -> int: ...


def attend(running: Attended, asking: Asking) -> int:
    """Pass on what is typed and what is said; it is stopped when nobody is there any more. The command's exit code.

    Raises RaabError when it never came to be.
    """
    running.tell(asking.say)
    stopped = False
    while not running.over:
        # What it does not read has to wait where it is typed.
        sources = [asking.beside, None if running.waiting else asking.input, running.news]
        ready, writable, _ = select.select([one for one in sources if one is not None], running.waiting, (), _LOOK)
        if writable:
            running.feed()
        if running.news in ready:
            running.look()
        for descriptor in ready:
            for said in asking.hear(descriptor) if descriptor != running.news else ():
                running.resize(said) if isinstance(said, Size) else running.type(said)
        if asking.gone and not stopped:
            running.stop()
            stopped = True
    return running.code()
