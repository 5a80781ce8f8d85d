"""What an activation tells of itself: each of its verdicts to the host's journal, and the last one, measured, to who waits for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from raab.errors import RaabError, of_machine
from raab.host import journal
from raab.host.activation import others, running
from raab.host.activation.before import Before
from raab.host.activation.proof import probe
from raab.host.activation.task import Task
from raab.host.master import strays
from raab.host.paths import Paths
from raab.protocol.answers import Probe, Verdict


class Ended(BaseException):
    """This activation is to end (SIGTERM), whatever it waits for: no error of a step, which something might take for its own affair."""


class Refused(RaabError):
    """The host's own system did not let something happen."""


# Whatever of these ends an activation, the host is left as it was.
FAILURES = (RaabError, OSError, Ended)


class Account:
    """Of one activation. `manifest` is its release's, `before` what was there; `prober` sends its own requests meanwhile, and
    `suspects` are what may be strays (raab.host.master.strays)."""

    def __init__(self, paths: Paths, task: Task, manifest: dict[str, Any], before: Before) -> None:
        self.paths = paths
        self.task = task
        self.manifest = manifest
        self.before = before
        self.began = time.monotonic()
        self.prober: probe.Prober | None = None
        self.suspects: strays.Suspects = {}

    def probe(self, binds: Sequence[str], token: str) -> None:
        """Send requests there from now on."""
        if binds:
            self.prober = probe.Prober(probe.targets(binds), token)
            self.prober.start()

    def measured(self, verdict: Verdict) -> Verdict:
        """The same with what became of the requests, how long all of it took, and which of the service's processes are nobody's."""
        tally = self.prober.stop() if self.prober else Probe()
        seconds = round(time.monotonic() - self.began, 3)
        found: tuple[strays.Stray, ...] = ()
        with suppress(RaabError, OSError):
            found = strays.find(self.paths, self.suspects)
        return verdict._replace(probe=tally, seconds=seconds, strays=tuple(stray.text for stray in found))

    def failed(self, error: RaabError, reverted: bool, switched: bool) -> Verdict:
        # On a disk that is full there is no room for it, and the verdict matters more.
        with suppress(OSError):
            # What came between says nothing against the release: it may be gone back to.
            self.record("undone" if isinstance(error, (Refused, others.Stopped)) else "failed", reason=error.message)
        verdict = Verdict(
            ok=False,
            reverted=reverted,
            switched=switched,
            before=self.before.release,
            serves=running.told(self.paths).get("release"),
            asked=True,
            reason=error.message,
            hint=error.hint,
        )
        return self.measured(verdict)

    def record(self, verdict: str, reason: str = "", release: str = "") -> None:
        entry = {
            "time": time.time(),
            "release": release or self.task.release,
            "from": self.before.release,
            "action": self.task.action,
            "verdict": verdict,
            "who": self.task.who,
            "machine": self.task.machine,
            "version": self.manifest["version"],
            "commit": self.manifest["commit"],
            "seconds": round(time.monotonic() - self.began, 3),
        }
        entry |= {"reason": reason} if reason else {}
        journal.append(self.paths.journal, entry | ({"drill": True} if self.task.drill else {}))


def expected(error: BaseException) -> RaabError:
    """What has failed, in words."""
    if isinstance(error, RaabError):
        return error
    if isinstance(error, OSError):
        return Refused(f"activation: the host refused, got {of_machine(error).message}", "`fab doctor` names what is full or read-only")
    return RaabError("activation: it was ended before it was through", "what served before serves; deploy again")
