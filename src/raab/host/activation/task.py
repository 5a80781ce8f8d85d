"""What one activation is asked to do, and how it tells of itself. Standard library only."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import NamedTuple

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.protocol import task
from raab.protocol.answers import Line, Step, Verdict
from raab.protocol.requests import Command


class Task(NamedTuple):
    """One activation: which release, why (`deploy`, `rollback`, `revert`), for whom, how many releases to keep afterwards.

    `condemn` is a release that is marked as failed when this one serves: the one that its wave was taken back from. `restart`: no process
    of before is to be left. `drill`: what becomes of it is no part of what really served.
    `chosen`: whether timers that run on one host alone run on this one; None leaves that as it is.
    """

    release: str
    action: str = "activate"
    who: str = "root"
    machine: str = ""
    keep: int = 5
    condemn: str = ""
    restart: bool = False
    drill: bool = False
    before: Command | None = None
    after: Command | None = None
    chosen: bool | None = None

    @classmethod
    def read(cls, paths: Paths, release: str) -> Task:
        """The task that was left for this release by whoever started its activation. Raises RaabError where there is none, for one that
        cannot be read, and for a newer raab's: what it asks for is not to be guessed."""
        try:
            request = task.understand(paths.request.read_bytes())
        except (OSError, ValueError) as error:
            raise RaabError(f"activate: {paths.request} is no task, got {error}", f"{paths.typed} activate {release} leaves one") from error
        if request.release != release:
            raise RaabError(f"activate: {paths.request} is the task of another activation, got {request.release} for {release}")
        return cls(
            release=release,
            action=request.action,
            who=request.who,
            machine=request.machine,
            keep=request.keep,
            condemn=request.condemn,
            restart=request.restart,
            drill=request.drill,
            before=request.hooks.before_activate,
            after=request.hooks.after_activate,
            chosen=request.chosen,
        )


class Teller:
    """Writes events where who follows finds them, and for the host's journal on stdout too."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.began = time.monotonic()
        self.paths.deploying.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.fd = os.open(self.paths.events, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)

    def step(self, text: str) -> None:
        """Name the step that begins now."""
        self.tell(Step(text, round(time.monotonic() - self.began, 3)), text)

    def output(self, text: str) -> None:
        """Pass on a line that a hook printed."""
        self.tell(Line(text))

    def verdict(self, verdict: Verdict) -> None:
        """The last word; who follows stops reading here."""
        self.tell(verdict, verdict.reason or f"{verdict.serves} serves")

    def tell(self, event: Step | Line | Verdict, text: str = "") -> None:
        """What there is no room for is left out: no step depends on its being told."""
        with suppress(OSError):
            os.write(self.fd, task.told(event))
        with suppress(OSError):
            print(text, end="\n" if text else "", flush=True)
