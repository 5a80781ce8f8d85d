"""What can be known of a release before the switch: that it loads, and where it will serve."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from raab.errors import RaabError
from raab.host.activation import question
from raab.host.activation.held import Asked, Held
from raab.host.activation.others import Others
from raab.host.activation.question import Question
from raab.host.activation.task import Task, Teller
from raab.host.address import addresses
from raab.host.master.answers import Settings
from raab.host.paths import Paths
from raab.host.renewal import twin
from raab.host.renewal.ahead import pending, tried
from raab.host.renewal.pending import lines
from raab.host.renewal.twin import Now
from raab.host.units import unitfiles

# Seconds that a release may take to load which has not said so yet.
LOAD_TIMEOUT = 60.0


class Rehearsed(NamedTuple):
    """`held`: loaded by the master and waiting, where new workers are enough. `wanted`: what a start would get by now, where the service
    has something else."""

    settings: Settings = Settings((), 0, LOAD_TIMEOUT, ())
    held: Held | None = None
    wanted: Now | None = None


class Rehearsal:
    """Of one release. `asked` is the master's answer to come, if it was asked."""

    def __init__(self, paths: Paths, task: Task, asked: Asked | None, teller: Teller, others: Others) -> None:
        self.paths = paths
        self.task = task
        self.release = paths.release(task.release)
        self.asked = asked
        self.teller = teller
        self.others = others
        # By the release's code, which is asked while everything else goes on.
        self.asking = Question(paths, self.release, "settings") if unitfiles.prepared(paths) else None
        self.settings: Settings | None = None
        self.wanted: Now | None = None

    def carry_out(self) -> Rehearsed:
        """Raises RaabError with the reason when the release does not load, or could not serve where it is to."""
        self.teller.step("loading it for trial")
        # By the workers that will serve it, where new workers are enough. A process of its own would load it once more.
        held = self.loaded()
        if held and self.settings:
            return Rehearsed(self.settings, held, self.wanted)
        trial = Question(self.paths, self.release, "trial")
        try:
            settings = self.settings or self.read_settings()
        finally:
            # It keeps load_timeout itself, unless its code is beyond the reach of Python.
            trial.answer(self.waits + 10)
        # What new workers take over they have; a new master, or a start, has to get what the settings say by now.
        addresses.check(self.paths, settings.bind, settings.admin_port, settings.barred)
        return Rehearsed(settings, None, self.wanted)

    def end(self) -> None:
        """Nothing that the release was asked is left afterwards."""
        if self.asking:
            self.asking.end()

    def let_go(self) -> None:
        """Of what the master was asked to hold."""
        if self.asked:
            self.asked.conversation.close()
            self.asked = None

    def loaded(self) -> Held | None:
        if self.task.restart or unitfiles.restart_needed(self.paths, self.release):
            self.let_go()
            return None
        if not self.asked:
            self.others.look()
            with suppress(RaabError):
                self.asked = Asked(self.paths, self.task.release)
        if not self.asked:
            return None
        if self.behind():
            self.let_go()
            return None
        # While the master loads it, who also tells better what is wrong with them.
        with suppress(Exception):
            self.read_settings()
        try:
            held = self.asked.held()
        except RaabError:
            self.let_go()
            if not self.others.disturbed():
                raise
            self.others.wait(self.waits + 90)
            return self.loaded()
        if held:
            self.require_same(held)
        return held

    def require_same(self, held: Held) -> None:
        """Where it says that it will serve is where the proof will look: that goes by the settings, as the host's clients do."""
        wanted, admin_port = (self.settings.bind, self.settings.admin_port) if self.settings else ((), 0)
        # What operators ask at is no part of the proof.
        operators = (f"unix:{self.paths.admin}", f"127.0.0.1:{admin_port}")
        there = tuple(bind for bind in held.bind if bind not in operators)
        if there != wanted:
            said = ", ".join(wanted) or "nothing that can be read"
            text = f"trial: the service would serve {', '.join(there)}, and its settings say {said}"
            raise RaabError(text, f"{self.paths.typed} check, then systemctl restart {self.paths.name}")

    def behind(self) -> bool:
        """Whether a start of the release would get other variables or credentials than the service has. A master that loads a release
        beside itself would try it with those of before."""
        if not (self.paths.units / self.paths.unit).exists():
            # This activation brings it.
            return False
        wanted = twin.of_release(self.paths, self.release)
        found = pending(self.paths, wanted)
        for line in lines(found, "this activation"):
            self.teller.step(line)
        if found.by_reload or found.by_start:
            tried(wanted, self.release, "check")
        self.wanted = wanted if found.by_reload else None
        return found.by_reload

    def read_settings(self) -> Settings:
        """Raises RaabError with the release's reason."""
        asking = self.asking or Question(self.paths, self.release, "settings")
        self.asking = None
        self.settings = question.settings(asking, self.waits)
        return self.settings

    @property
    def waits(self) -> float:
        """Seconds that it may take to load."""
        return self.settings.load_timeout if self.settings else LOAD_TIMEOUT
