"""A generation that is loaded before its release is the current one, and serves nobody until it is.

So the trial of a release is made by the very processes that will serve it. Whether they will is decided by the link to the release
alone, which whoever asked for them moves or does not: a deployer that is killed leaves no doubt.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handover import fingerprint, states
from handover.control import Client
from handover.pin import pinned
from handover.states import Fleet, Phase

if TYPE_CHECKING:
    from handover.arbiter import HandoverArbiter


class Holds:
    """What is held: `current`, if anything is. The reload that it belongs to is `Reloads`' as any other."""

    def __init__(self, master: HandoverArbiter) -> None:
        self._master = master
        self.current: Hold | None = None

    def request(self, client: Client, name: str) -> None:
        """Load the release in the folder `name` beside the current one, and have it wait. Where that cannot be, say so at once."""
        master, reloads = self._master, self._master.reloads
        release = os.path.join(os.path.dirname(master.release), name)
        why = self._beyond(release)
        if why:
            client.answer({"held": False, "reason": why})
            return
        reloads.waiting.append(client)
        reloads.begin()
        before = master.cfg.address
        with self._as_if_current(release):
            refusal = reloads.load_settings()
        if refusal:
            reloads.conclude(refusal)
        elif before != master.cfg.address and not master.listeners.given:
            reloads.restore_settings()
            reloads.waiting.remove(client)
            master.announce()
            client.answer({"held": False, "reason": "listening address"})
        else:
            self.current = Hold(client, release, master.options.load_timeout)
            client.gone = self.decide
            reloads.build(release)

    def _beyond(self, release: str) -> str:
        """Why new workers of this master cannot try that release; empty when they can."""
        master = self._master
        if master.reloads.busy():
            return "a reload is under way"
        # gunicorn's settings are a program. What they do has been tried in this process, or it shall not be tried there first.
        config = Path(master.release, os.path.basename(master.app.cfg.config))
        try:
            same = config.read_bytes() == Path(release, config.name).read_bytes()
        except OSError:
            same = False
        if not master.root or not same:
            return config.name
        return ", ".join(fingerprint.differences(master.reloads.prints, fingerprint.of_master(master.root, release)))

    @contextlib.contextmanager
    def _as_if_current(self, release: str) -> Iterator[None]:
        """Have gunicorn find its configuration file in a release that the link does not lead to; it knows the path from its arguments."""
        arguments = sys.argv
        sys.argv = [pinned(word, self._master.root, release) for word in arguments]
        try:
            yield
        finally:
            sys.argv = arguments

    def loaded(self, pid: int) -> None:
        """A worker that waits has loaded its release."""
        master = self._master
        if self.current:
            self.current.loaded(pid, master.fleet, {"bind": master.cfg.bind[0], "load_timeout": master.options.load_timeout})

    def decide(self, client: Client | None = None) -> None:
        """Whoever had a generation held has moved the link, or has not, or is gone: the link says what becomes of it."""
        master, held = self._master, self.current
        if client and not (held and client is held.client):
            client.answer({"error": "switched: nothing is held for this client"})
        elif held and master.resolved() == held.release:
            held.open(len(master.fleet.of(Phase.BOOTING, generation=master.fleet.incoming)))
            self.close()
        elif held:
            master.reloads.given_up("trial: the release that was loaded did not become the current one")
            master.manage_workers()

    def check(self, now: float) -> None:
        """Once a second: a client that is silent for too long is as one that has gone."""
        if self.current and self.current.overdue(now):
            self.decide()

    def close(self) -> None:
        """The reload is over, or decided."""
        held, self.current = self.current, None
        if held:
            held.close()

    def separate(self) -> None:
        """In a forked worker: the conversation is the master's."""
        if self.current:
            self.current.close_key()


class Hold:
    """One such generation, of `release`, for `client`, who has so many `seconds` to move the link once it is loaded.

    Its workers wait at `gate`, a pipe: a byte for each lets it serve, the pipe's end sends it away.
    """

    def __init__(self, client: Client, release: str, seconds: float) -> None:
        self.client = client
        self.release = release
        self._seconds = seconds
        self._deadline = math.inf
        self._loaded: set[int] = set()
        self.gate, self._key = os.pipe()
        os.set_blocking(self.gate, False)

    def loaded(self, pid: int, fleet: Fleet, told: dict[str, Any]) -> None:
        """A worker has loaded the release. `told` is what the client learns when it was the last one."""
        self._loaded.add(pid)
        waiting = {member.pid for member in fleet.of(Phase.BOOTING, generation=fleet.incoming)}
        if waiting <= self._loaded and not states.settle(fleet).spawn and self._deadline == math.inf:
            self._deadline = time.monotonic() + self._seconds
            self.client.tell({"held": True, **told})

    def overdue(self, now: float) -> bool:
        """Whether the client has been silent for too long."""
        return now > self._deadline

    def open(self, workers: int) -> None:
        """Let so many workers serve."""
        os.write(self._key, bytes(workers))

    def close(self) -> None:
        """Send away whoever still waits. What was written is read before the end is seen."""
        os.close(self.gate)
        self.close_key()

    def close_key(self) -> None:
        """In a forked worker: the writing end is the master's, and with it the pipe would never end."""
        os.close(self._key)
