"""Reloads, from the wish to the verdict: who asked, what the settings were, what became of it."""

from __future__ import annotations

import contextlib
import gc
import io
import sys
import time
from dataclasses import replace
from itertools import dropwhile
from typing import TYPE_CHECKING

from handover import fingerprint, states
from handover.control import Client
from handover.options import Options
from handover.report import Outcome
from handover.trial import Trial

if TYPE_CHECKING:
    from handover.arbiter import HandoverArbiter


class Reloads:
    """The reload under way, if any, and the verdict of the last one."""

    def __init__(self, master: HandoverArbiter) -> None:
        self._master = master
        self.prints = fingerprint.of_master()
        self._settings = master.cfg
        self._began = 0.0
        self.waiting: list[Client] = []
        self._waiting_again: list[Client] = []
        self._trial_again = False
        self.trial: Trial | None = None
        self.outcome: Outcome | None = None

    def request(self, client: Client | None = None, *, trial: bool = False) -> None:
        """Begin a reload, or remember that another one is wanted once the one under way has ended."""
        master = self._master
        if self.busy():
            master.fleet = replace(master.fleet, again=True)
            self._trial_again |= trial
            self._waiting_again += [client] if client else []
            return
        self.waiting += [client] if client else []
        self.begin()
        if trial and master.options.trial:
            self.trial = Trial(master.options.trial, master.options.load_timeout)
        else:
            self._proceed()

    def tried(self, status: int) -> None:
        """The trial has ended; `status` is that of waitpid(2)."""
        assert self.trial
        refusal = self.trial.ended(status)
        self.trial = None
        if refusal:
            self.conclude(refusal)
        else:
            self._proceed()

    def abandon(self) -> None:
        """The service stops: a trial under way is of no interest any more."""
        if self.trial:
            self.trial.kill()
            self.trial = None

    def _proceed(self) -> None:
        """Begin a new generation, or a new master where new workers are not enough."""
        master = self._master
        # Before anything of the new release is read: its settings may speak to another version of this very package.
        changed = fingerprint.differences(self.prints, fingerprint.of_master())
        if changed:
            master.succession.begin(", ".join(changed))
            return
        before = master.cfg.address
        refusal = self.load_settings()
        if refusal:
            self.conclude(refusal)
            return
        if before != master.cfg.address and not master.listeners.given:
            self.restore_settings()
            master.succession.begin("listening address")
            return
        self.build(master.resolved())

    def build(self, release: str) -> None:
        """Begin a new generation, of that release and with the settings just read."""
        master = self._master
        master.cfg.on_reload(master)
        master.incoming_release = release
        wanted = master.scaling.restored()
        master.fleet = states.reload(master.fleet, wanted, one_by_one=master.options.one_by_one)
        master.manage_workers()

    def replace_master(self) -> None:
        """What SIGUSR2 asks for: a new master, whether or not anything changed."""
        if self.busy():
            self._master.log.warning("USR2 ignored: a reload is under way")
            return
        self.begin()
        self._master.succession.begin("USR2")

    def busy(self) -> bool:
        """Whether a new generation, a new master or a trial is on its way."""
        return self._master.fleet.incoming is not None or self._master.succession.active or self.trial is not None

    def begin(self) -> None:
        """Note what holds until the reload that begins is concluded, and tell systemd of it."""
        master = self._master
        self._began = time.monotonic()
        self._settings = master.cfg
        master.crew.why = ""
        master.notifier.reloading()
        # The trial, a new master and its workers may each need that time.
        master.notifier.extend(3 * master.options.load_timeout)

    def load_settings(self) -> str:
        """Read the configuration anew. On any failure the one in force stays, and the reason is returned.

        gunicorn prints what is wrong and exits (gunicorn/app/base.py, do_load_config).
        """
        master = self._master
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                master.app.reload()
            if not isinstance(master.app.cfg.on_starting, Options):
                raise TypeError("on_starting is not the hand-over's Options any more")
            master.setup(master.app)
            master.log.reopen_files()
        except (Exception, SystemExit) as error:
            self.restore_settings()
            sys.stderr.write(said.getvalue())
            # Below the last traceback, the error's name and text; they may have several lines.
            last = said.getvalue().rpartition("Traceback (most recent call last):\n")[2].splitlines()
            told = "\n".join(dropwhile(lambda line: line.startswith(" "), last)).strip()
            return told or f"{type(error).__name__}: {error}"
        return ""

    def restore_settings(self) -> None:
        """Have the settings of before the reload hold again."""
        self._master.app.cfg = self._settings
        self._master.setup(self._master.app)

    def taken_over(self) -> None:
        """The new generation is complete."""
        self._master.fleet = states.taken_over(self._master.fleet)
        self._master.release = self._master.incoming_release
        self._master.scaling.save()
        # The old workers are told first: who hears the verdict finds new ones alone.
        self._master.manage_workers()
        self.conclude("")

    def given_up(self, why: str) -> None:
        """The new generation cannot be had: the settings of before hold again, as the old workers have them."""
        self.restore_settings()
        self._master.fleet = states.given_up(self._master.fleet, self._master.scaling.restored())
        self.conclude(why)

    def conclude(self, refusal: str, *, replaced: bool = False) -> None:
        """The verdict: to the journal, to systemd, to whoever waits for it. Then the next one, if it was asked for."""
        master = self._master
        master.holds.close()
        seconds = time.monotonic() - self._began
        generation = master.fleet.newest + 1 if replaced else master.fleet.generation
        self.outcome = Outcome(not refusal, refusal, generation, round(seconds, 3), time.time(), replaced)
        if refusal:
            master.log.error("reload: refused after %.2f s, the old workers serve on: %s", seconds, refusal)
        else:
            master.log.info("reload: generation %s serves after %.2f s", generation, seconds)
        master.announce()
        for client in self.waiting:
            client.answer(self.outcome._asdict())
        self.waiting = []
        if replaced:
            # The next reload is the successor's, and so is its verdict.
            for client in self._waiting_again:
                client.answer({"ask": "again"})
            master.scaling.answer_now()
            return
        # The settings of before are garbage, which would stay for ever once frozen (HandoverArbiter.spawn_worker). Nobody waits now.
        gc.unfreeze()
        gc.collect()
        self.next()

    def next(self) -> None:
        """Begin the reload that was asked for while another one, or the start, was under way."""
        master = self._master
        if master.fleet.again:
            master.fleet = replace(master.fleet, again=False)
            self.waiting, self._waiting_again = self._waiting_again, []
            trial, self._trial_again = self._trial_again, False
            self.request(trial=trial)
