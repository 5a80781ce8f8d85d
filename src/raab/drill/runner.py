"""Carries drills out: a release of their own on every host, traffic through each operation, a verdict, and all as it was."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import paramiko

from raab import exitcodes
from raab.deploy.plan.environment import Environment, Host
from raab.drill.catalogue import Drill
from raab.drill.progress import Progress, where
from raab.drill.results import Result, Run, machine, result
from raab.drill.scene import Scene
from raab.drill.stage import before
from raab.drill.stage.project import Project, copy
from raab.drill.stage.service import Service
from raab.drill.traffic.account import Account
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.drill.verdict import BEGUN, ENDED, Evidence, judge
from raab.errors import RaabError
from raab.lab import state
from raab.lab.shell import Shell

# Seconds that an import takes, asleep: whoever had to wait for one would be seen.
IMPORT = 1.0
# More than one process can send without being late itself.
MOST_PER_SENDER = 500


@dataclass(frozen=True)
class Pace:
    """How hard a run is: requests per second in all, how often operations are repeated (1: as often as in a full run), and for how many
    seconds traffic flows before each operation, so that its waits can be compared."""

    rate: float
    times: float
    steady: float = 2.0

    def mix(self, drill: Drill) -> Mix:
        """Fresh and kept connections, bursts, and beside them some requests that take seconds."""
        slow = self.rate / 200 if drill.long else 0
        return Mix(
            fresh=0.35 * self.rate, reused=0.5 * self.rate, bursts=0.15 * self.rate / 8, slow=slow, streamed=slow, uploads=slow,
            idle=20, slow_seconds=5 if self.times >= 1 else 2, connections=8, timeout=30,
        )  # fmt: skip


FULL = Pace(rate=1000, times=1)
QUICK = Pace(rate=100, times=0.04, steady=1.0)


class Runner:
    """The drills of one run, in an environment that allows them. `pace.rate` requests a second go to all hosts together."""

    def __init__(self, root: Path, environment: Environment, pace: Pace, progress: Progress) -> None:
        allow(environment)
        self._root = root
        self._environment = environment
        self._pace = pace
        self._progress = progress

    def run(self, drills: tuple[Drill, ...]) -> Run:
        """Prepares the hosts, carries out the drills one after the other, and brings back what served before."""
        began, clock = time.time(), time.monotonic()
        with self.prepared() as stage:
            results = tuple(self.one(stage, drill, f"{number} of {len(drills)}") for number, drill in enumerate(drills, 1))
        seconds = round(time.monotonic() - clock, 1)
        return Run(self._environment.name, len(self._environment.hosts), self._pace.rate, began, seconds, machine(), results)

    @contextmanager
    def prepared(self, change: Callable[[Project], None] = lambda project: None, mend: bool = True) -> Iterator[Stage]:
        """All hosts on the drills' own release (`change` alters it before it is deployed); afterwards on what they served, if `mend`."""
        with tempfile.TemporaryDirectory(prefix="raab-drill-") as folder, ExitStack() as stack:
            self._progress.say("deploying the drills' own release")
            project = copy(self._root, Path(folder), self._environment, IMPORT, for_drills=True)
            change(project)
            shells = [stack.enter_context(Shell(reached(host))) for host in self._environment.hosts]
            hosts = tuple(map(before.note, shells))
            try:
                project.fab("deploy")
                release = shells[0].run("basename $(readlink /opt/raab/current)").out.strip()
                services = tuple(Service(shell, release) for shell in shells)
                yield Stage(project, services, release)
            finally:
                if mend:
                    self._progress.say("bringing back what served before, and removing the drills' releases")
                    before.restore(self._root, project, hosts)

    def one(self, stage: Stage, drill: Drill, place: str = "1 of 1") -> Result:
        """One drill, from hosts that serve its release with two workers to its verdict; `place` is its own among the drills of a run."""
        began = time.monotonic()
        try:
            account, scene, error = self._carry_out(stage, drill, place)
        except (RaabError, OSError, paramiko.SSHException) as problem:
            account, scene, error = Account(()), None, str(problem)
        facts, excuses = (tuple(scene.facts), tuple(scene.excuses)) if scene else ((), ())
        verdict = judge(drill.invariant, Evidence(account, facts, excuses, error))
        done = result(drill.name, drill.promise, verdict, account, facts, scene.operations if scene else 0, began, time.monotonic() - began)
        self._progress.say("\n".join([done.line(), *(f"        {reason}" for reason in verdict.reasons)]))
        return done

    def _carry_out(self, stage: Stage, drill: Drill, place: str) -> tuple[Account, Scene, str]:
        error = ""
        for service in stage.services:
            service.restore(stage.release)
        senders = max(1, round(self._pace.rate / MOST_PER_SENDER))
        with Load([service.address for service in stage.services], self._pace.mix(drill), senders) as load:
            lab = state.named() if self._environment.is_lab else None
            scene = Scene(stage.services, stage.project, stage.release, load, lab, self._pace.times)
            with self._progress.telling(partial(where, drill.name, place, scene, time.monotonic())):
                time.sleep(self._pace.steady)
                load.mark(BEGUN)
                try:
                    drill.operation(scene)
                except (RaabError, OSError, paramiko.SSHException, AssertionError) as problem:
                    error = str(problem) or type(problem).__name__
                load.mark(ENDED)
                time.sleep(self._pace.steady / 4)
        return load.account, scene, error


@dataclass(frozen=True)
class Stage:
    """Prepared hosts and the project that they were deployed from."""

    project: Project
    services: tuple[Service, ...]
    release: str


def allow(environment: Environment) -> None:
    """Raises RaabError unless drills may be done in the environment, on hosts that root reaches on port 22."""
    environment.claim()
    if environment.settings.drills != "allowed":
        raise RaabError(
            f"drill: not in this environment, got {environment.name}, which is not marked `drills: allowed`",
            f"drills kill workers and masters and reboot hosts; if that is what it is for, add the line to deploy/{environment.name}.yaml",
            exitcodes.REFUSED,
        )
    for host in environment.hosts:
        if host.user not in ("", "root") or host.port not in (0, 22) or not host.identity:
            got = f"{host.user or 'root'}@{host.address}:{host.port or 22}"
            raise RaabError(
                f"drill: drills log in as root on port 22 with the environment's `identity`, got {got}",
                "name root's key for them in the environment file", exitcodes.BAD_INPUT,
            )  # fmt: skip


def reached(host: Host) -> state.LabHost:
    """A host of the environment as the shell knows hosts."""
    return state.LabHost(host.name, 0, host.address, Path(), "", "", Path(host.identity), Path(host.known_hosts))
