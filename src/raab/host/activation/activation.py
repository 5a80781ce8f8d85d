"""One activation, step by step: verified, loaded, switched to, taken up, proved; or the host as it was."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from raab.errors import RaabError
from raab.host import journal, systemd, verify
from raab.host.activation import asofnow, before, others, running, switch
from raab.host.activation.ending import FAILURES, Account, Ended, expected
from raab.host.activation.held import Asked, Held, judge
from raab.host.activation.others import Others
from raab.host.activation.proof import probe, proof, through
from raab.host.activation.proof.token import Token
from raab.host.activation.rehearsal import Rehearsal, Rehearsed
from raab.host.activation.task import Task, Teller
from raab.host.beside import there, timers
from raab.host.beside.become import become, check, end, sweep
from raab.host.beside.change import RUNNING
from raab.host.edge import assets, reach
from raab.host.master import strays
from raab.host.master.control import ask
from raab.host.master.conversation import PATIENCE
from raab.host.paths import Paths
from raab.host.processes import children
from raab.host.releases import current_release
from raab.host.renewal import twin
from raab.host.renewal.twin import Now
from raab.host.restart import restart
from raab.host.units import hook, lasting, unitfiles
from raab.protocol.answers import Verdict
from raab.protocol.requests import Command

# Seconds to take away, after the verdict, what processes that end by then leave.
SWEEPING = 5.0


class Activation:
    """One activation, from the release's verification to its proof or back. `asked` is the master's answer to come, if it was asked."""

    def __init__(self, paths: Paths, task: Task, asked: Asked | None) -> None:
        self.paths = paths
        self.task = task
        self.asked = asked
        self.teller = Teller(paths)
        self.token = Token(paths)
        self.release = paths.release(task.release)
        self.told = running.told(paths)
        self.standing = unitfiles.standing(paths, *others.TOLD)
        enabled = self.standing.get("UnitFileState") == "enabled"
        self.before = before.look(paths, self.told, bool(self.told) or systemd.is_active(paths.unit), enabled)
        self.account = Account(paths, task, json.loads((self.release / "manifest.json").read_bytes()), self.before)
        # Whether processes ran beside the web, or did not since somebody had stopped them.
        self.attended = any(one.state == RUNNING for one in there.look(paths))
        self.others = Others(paths, self.teller, others.of(self.standing))
        self.rehearsal: Rehearsal | None = None
        self.rehearsed = Rehearsed()
        self.switched = False
        # To what served before, by itself or with the rest of the environment.
        self.returning = task.action == "revert"

    def run(self) -> int:
        """Exit code 0 when the release serves, 4 when it does not."""
        signal.signal(signal.SIGTERM, self.end)
        try:
            self.token.publish()
            verdict = self.carry_out()
        except FAILURES as error:
            verdict = self.account.failed(expected(error), reverted=True, switched=False)
        finally:
            self.token.withdraw()
            if self.rehearsal:
                self.rehearsal.end()
        self.teller.verdict(verdict)
        # After the verdict, for nobody needs to wait for it; what cannot be removed the next one removes.
        with suppress(OSError):
            self.prune()
        return 0 if verdict.ok else 4

    def end(self, *_: object) -> None:
        """Whoever hangs is ended by `fab unlock --force`, or by `systemctl stop raab-activate`: once, for going back is to be finished."""
        self.deaf()
        raise Ended

    def deaf(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def carry_out(self) -> Verdict:
        """All steps in order. Whatever fails, the host serves afterwards what it served before."""
        if self.task.chosen is not None:
            timers.choose(self.paths, self.task.chosen)
        self.account.record("begun")
        rehearsal = self.rehearsal = Rehearsal(self.paths, self.task, self.asked, self.teller, self.others)
        # From where the service is now; where it cannot tell, from where it will be.
        self.account.suspects = strays.look(self.paths, self.told) if self.told else {}
        self.account.probe(self.told.get("bind", []), self.token.text)
        try:
            self.prepare()
            self.rehearsed = rehearsal.carry_out()
        except FAILURES as error:
            self.deaf()
            rehearsal.let_go()
            return self.account.failed(expected(error), reverted=True, switched=False)
        if self.account.prober:
            self.account.prober.only(probe.targets(self.rehearsed.settings.bind))
        elif systemd.is_active(self.paths.unit):
            self.account.probe(self.rehearsed.settings.bind, self.token.text)
        try:
            if self.task.restart:
                end(self.paths, self.teller.step)
            self.go(self.task.release, self.rehearsed.held)
            if each := running.loaded_by_each(self.paths):
                self.teller.step(each)
            self.reach(self.release)
            become(self.paths, self.release, self.teller.step, self.task.restart)
            self.hook("after_activate", self.task.after)
            self.deaf()
            self.account.record("serving")
            if self.task.condemn:
                self.account.record("failed", "taken back with the rest of the environment", self.task.condemn)
        except FAILURES as error:
            self.deaf()
            # What ran beside the web may have been ended before the switch.
            if self.switched or self.task.restart:
                return self.go_back(expected(error))
            rehearsal.let_go()
            return self.account.failed(expected(error), reverted=True, switched=False)
        return self.account.measured(Verdict(ok=True, before=self.before.release, serves=self.task.release, asked=True))

    def prepare(self) -> None:
        """The release is what was installed, and the host has what it needs."""
        self.teller.step("verifying the release")
        try:
            verify.verify(self.release)
        except RaabError:
            # It is no complete release any more, and the next deploy of the same makes it anew; what serves stays one all the same.
            if self.task.release not in (self.before.release, current_release(self.paths)):
                (self.release / "manifest.json").rename(self.release / "manifest.damaged.json")
            raise
        check(self.paths, self.release)
        if unitfiles.prepare(self.paths):
            self.teller.step("prepared the host: user and directories")
            self.token.publish()
        lasting.settle(self.paths, self.release, self.teller.step)
        reach.check(self.paths, self.release, self.teller.step)
        self.hook("before_activate", self.task.before)

    def go(self, release_id: str, held: Held | None = None) -> None:
        """Switch to a release, let the service take it up, and prove that it did."""
        old = held.old if held else children(systemd.main_pid(self.paths.unit))
        if held and self.account.prober:
            # Closely where nobody waits: a restart has requests wait, and each of them is a thread here.
            self.account.prober.pace(probe.CLOSE_INTERVAL_SECONDS, probe.CLOSE_SECONDS)
        # Its pages may be asked for files as soon as it serves.
        assets.arrange(self.paths, *filter(None, (current_release(self.paths), release_id)))
        self.teller.step(f"switching to {release_id}")
        self.switched = True
        try:
            switch.switch(self.paths, release_id)
        except OSError:
            self.switched = switch.text(self.paths) != self.before.link
            raise
        changed = unitfiles.install(self.paths, self.paths.release(release_id), self.standing)
        why = "as asked for" if self.task.restart else "the unit changed in what only a new process takes up" if changed else ""
        self.take_up(release_id, held, why)
        if held and self.account.prober:
            # No worker of before accepts any more: what a proof takes is not to compete with these.
            self.account.prober.pace(probe.INTERVAL_SECONDS)
        self.teller.step("proving it by answers")
        binds = self.rehearsed.settings.bind
        try:
            proof.prove(binds, self.token.text, release_id, lambda: running.serving(self.paths) - old, limit=self.waits)
        except proof.Late:
            # A way back leads to nothing better. What is late on it has most likely been late on the way there, and needs no person.
            if not self.returning or not running.serves(self.paths, release_id):
                raise
            self.teller.step("its workers serve it by the master's word; their answers come too late to show it")

    @property
    def waits(self) -> float:
        """Seconds that a generation may take to load."""
        return self.rehearsed.settings.load_timeout

    def reach(self, release: Path) -> None:
        """Have the edge lead to a release that serves, where it is to, and prove that it does."""
        if told := reach.become(self.paths, release, self.teller.step):
            self.teller.step("proving it by an answer through the edge")
            through.prove(self.paths, told, self.token.text, release.name, self.teller.step)
            assets.prove(self.paths, told, assets.of_release(release))

    def take_up(self, release_id: str, held: Held | None, why: str) -> None:
        """Have the service take up what `current` names; `why` it takes a restart. Whoever restarts it meanwhile is waited for: what comes
        of that is the same release, or one reload away from it."""
        if not held:
            self.others.look()
        try:
            if held and not why:
                self.teller.step("handing over to new workers")
                held.take_over()
            else:
                # On the way back what the release before had, by its unit, which is installed again.
                back = release_id != self.task.release and not why
                self.renew(why, twin.now(self.paths) if back else self.rehearsed.wanted)
        except RaabError:
            if why or not self.before.active or not self.others.disturbed():
                raise
            self.others.wait(self.waits + 90)
            if running.told(self.paths).get("release") != release_id:
                self.take_up(release_id, None, "")

    def renew(self, why: str, wanted: Now | None) -> None:
        """By new workers, or by a start where the service does not run or `why` says that only a new process will do; `wanted` is what a
        start would get, where the service has something else.

        Raises RaabError when it does not serve; after a hand-over the old workers serve on.
        """
        paths, began = self.paths, time.time()
        active = systemd.is_active(paths.unit)
        if active and not why:
            self.teller.step("handing over to new workers")
            with asofnow.given(paths, wanted) as more:
                judge(paths.unit, reloaded(paths, more, self.teller), began, "reload: the new workers do not serve")
            return
        verb, reason = ("restart", f" ({why})") if active else ("start", "")
        self.teller.step(f"systemctl {verb} {paths.name}{reason}")
        systemd.order("systemctl", "reset-failed", paths.unit)
        began = time.time()
        done = restart(paths, self.waits + 90) if active else systemd.order("systemctl", "start", paths.unit, timeout=self.waits + 90)
        if done.returncode:
            said = systemd.last_words(paths.unit, began) or done.stderr.strip()
            raise RaabError(f"systemctl {verb} {paths.name}: exit code {done.returncode}, got: {said}")

    def go_back(self, error: RaabError) -> Verdict:
        """Return to what served before. Its own failure is told beside the first one."""
        self.teller.step(f"failed, going back: {error.message}")
        self.returning = True
        try:
            if self.before.active:
                others.require_running(self.paths.unit, self.waits + 90)
        except others.Stopped as stopped:
            self.rest()
            return self.account.failed(stopped, reverted=True, switched=True)
        try:
            if not self.before.active:
                self.rest()
            elif self.before.release:
                self.go(self.before.release)
                self.reach(self.paths.release(self.before.release))
                become(self.paths, self.paths.release(self.before.release), self.teller.step)
            else:
                return self.leave(error)
        except (RaabError, OSError) as second:
            told = f"{error.message}\nand going back failed: {expected(second).message}"
            return self.account.failed(RaabError(told, expected(second).hint), reverted=False, switched=True)
        return self.account.failed(error, reverted=True, switched=True)

    def rest(self) -> None:
        """Nothing served before: there was no release yet, or an operator had stopped the service, and stopped it stays."""
        back = self.paths.release(self.before.release) if self.before.release and self.attended else None
        become(self.paths, back, self.teller.step)
        reach.become(self.paths, self.paths.release(self.before.release) if self.before.release else None, self.teller.step)
        systemd.order("systemctl", "stop", self.paths.unit)
        systemd.order("systemctl", "reset-failed", self.paths.unit)
        switch.restore(self.paths, self.before.link)
        if self.before.release:
            unitfiles.install(self.paths, self.paths.release(self.before.release), self.standing)
        if not self.before.enabled:
            systemd.order("systemctl", "disable", "--quiet", self.paths.unit)

    def leave(self, error: RaabError) -> Verdict:
        """What served before is no release that is kept here, and who could start it again is not known: nothing is stopped."""
        switch.restore(self.paths, self.before.link)
        same = self.before.serves_still(running.told(self.paths))
        if not same and self.before.link:
            self.renew("", self.rehearsed.wanted)
            same = True
        there = self.before.link or self.told.get("release") or "nothing that is known"
        left = "it serves on" if same else "what serves now is the release that failed"
        problem = f"{error.message}\nwhat served before is no release that is kept here, got {there}: nothing was stopped, {left}"
        return self.account.failed(RaabError(problem, error.hint), reverted=same, switched=True)

    def hook(self, name: str, command: Command | None) -> None:
        if command is not None:
            self.teller.step(f"hook {name}: {command.command}")
            hook.run(self.paths, self.release, name, command, self.teller.output)

    def prune(self) -> None:
        sweep(self.paths, SWEEPING)
        if self.task.drill:
            # What a drill has brought it removes at its end, and it takes nothing else away.
            return
        from raab.host.activation import prune

        current = current_release(self.paths)
        # The one just activated stays in any case: if it failed, somebody will want to look at it.
        named = (current, self.before.release, self.task.release, self.told.get("release"), *there.releases(self.paths))
        protected = frozenset(name for name in named if name)
        kept = journal.worth_keeping(journal.read(self.paths.journal))
        if prune.prune(self.paths, kept, protected, self.task.keep) and current:
            assets.arrange(self.paths, current)


def reloaded(paths: Paths, more: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """The verdict on a reload. A master of before there were such requests is followed by one that knows them, with the same variables."""
    try:
        return ask(paths, PATIENCE, verb="reload", trial=False, **more)
    except RaabError as error:
        if not more or "not a request" not in error.message:
            raise
    teller.step(f"the master of before takes up no changed variables; systemctl reload {paths.name} does, from now on")
    return ask(paths, PATIENCE, verb="reload", trial=False)
