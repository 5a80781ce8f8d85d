"""Ctrl-C, SIGTERM and a terminal that is closed: the first one is answered at once, and waits for nothing that may hang."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from raab import exitcodes
from raab.deploy.report import output

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds for temporary files and processes to be cleared away; after them it ends anyhow.
CLEARING_SECONDS = 2.0


class Interruption(NamedTuple):
    """A verb that ends before it is through: which one, typed how, by which signal, after how many seconds."""

    verb: str
    typed: str
    signal: str
    seconds: float


# Tells what is so, given what has happened.
Tell = Callable[[Interruption], None]


class Interruptible:
    """This process, in which one verb is carried out. `tell` is the one who knows what is to be said; `bounded` is false for a verb that
    has more to clear away than seconds allow."""

    def __init__(self) -> None:
        self.verb = ""
        self.bounded = True
        self.tell: Tell | None = None
        self.began = time.monotonic()

    def begin(self, verb: str, bounded: bool) -> None:
        self.verb, self.bounded, self.tell = verb, bounded, None

    def heed(self) -> None:
        """Answer signals from now on, those that whoever has started this process wants to be ignored excepted (nohup(1))."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.answer)

    def answer(self, number: int, _: object) -> None:
        """The first one. The next one ends the process on the spot."""
        for other in SIGNALS:
            if signal.getsignal(other) is not signal.SIG_IGN:
                signal.signal(other, self.leave if self.bounded else signal.default_int_handler)
        name = signal.Signals(number).name
        if self.tell:
            typed = shlex.join(["fab", *sys.argv[1:]])
            self.tell(Interruption(self.verb, typed, name, time.monotonic() - self.began))
        else:
            what = "nothing was changed on any host" if self.bounded else "clearing away; once more ends it now"
            output.say(2, f"{name}: {what}\n")
        if not self.verb:
            self.leave()
        if self.bounded:
            timer = threading.Timer(CLEARING_SECONDS, self.leave)
            timer.daemon = True
            timer.start()
        raise KeyboardInterrupt

    def leave(self, *_: object) -> NoReturn:
        """End without waiting for threads: one may be listening to a host that says nothing any more."""
        os._exit(exitcodes.INTERRUPTED)


PROCESS = Interruptible()
