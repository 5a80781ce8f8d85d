"""All drills. Each is a promise, the operation that puts it to the test, and what has to be seen then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from raab import exitcodes
from raab.drill.acts import (
    beside,
    broken,
    changes,
    clock,
    deployers,
    deploys,
    faults,
    handlers,
    lifecycle,
    memory,
    scaling,
    streams,
    templates,
    unshared,
)
from raab.drill.scene import Scene
from raab.drill.verdict import Invariant
from raab.errors import RaabError
from raab.settings.meant import meant

SEAMLESS = Invariant()
# Where the promise is that requests wait and are not refused.
WAITS = Invariant(added=None, longest=25)
# Sixteen workers that load at once, as scaling two hosts of two cores to eight does, take the processor from each other and from the rest.
CROWDED = Invariant(added=1.5)
# A host that boots is the slowest of all; the excused requests to it are not measured, those to the other host are.
OTHERS = Invariant(added=1.5)


@dataclass(frozen=True)
class Drill:
    """`quick` drills make up `--quick`; those `in_lab` need what only throwaway hosts allow.

    `long` is whether requests that take seconds are among the traffic; not where a fault would interrupt, and so excuse, most of them.
    """

    name: str
    promise: str
    operation: Callable[[Scene], None]
    invariant: Invariant = SEAMLESS
    quick: bool = False
    in_lab: bool = False
    long: bool = True


DRILLS = (
    Drill("reload", "systemctl reload: new code serves, nobody is lost, nobody waits for its import", lifecycle.reload, quick=True),
    Drill("hup", "kill -HUP hands over as seamlessly as a reload", lifecycle.hup, quick=True),
    Drill("hup-storm", "twenty HUPs within a second end in one hand-over after the other, and nobody notices", lifecycle.hup_storm),
    Drill("settings", "a reload takes up good settings and refuses bad ones with file, line and key", lifecycle.settings),
    Drill("addresses", "server.bind moves by reload, also to what overlaps, and who comes by an address that stays does not notice",
          changes.moved),
    Drill("secrets", "a secret is rotated by reload: every worker has the new one, and nobody notices", changes.rotated),
    Drill("master", "kill -USR2 replaces the master, systemd follows, and nobody notices", lifecycle.replace_master, quick=True),
    Drill("scale", "raab scale 1, 8, 2 is done when it returns, and loses nothing", scaling.scale, CROWDED, quick=True),
    Drill("scale-loop", "raab scale 16 and 1 in a loop loses nothing, and no worker imports the application", scaling.scale_loop, CROWDED),
    Drill("signals", "kill -TTIN and -TTOU add and remove one worker and leave the others", scaling.signals, quick=True),
    Drill("target", "the number of workers that was scaled to survives reload, restart and a killed master", scaling.keep_target, WAITS),
    Drill("restart", "systemctl restart: connections wait, none is refused", lifecycle.restart, WAITS, quick=True),
    *(
        Drill(f"broken-{one.name}", f"a release that {one.what} is refused by reload and HUP; the old one serves on, untouched",
              partial(broken.by_reload, breakage=one), quick=one.name == "raises")
        for one in broken.BREAKAGES
    ),
    Drill("deploy", "fab deploy switches every host to the new release, and nobody notices", deploys.deploy, quick=True),
    Drill("rollback", "fab rollback is as seamless as a deploy", deploys.rollback),
    Drill("deploy-broken", "a release that cannot be imported reaches no host", deploys.broken_deploy, quick=True),
    Drill("deploy-reverted", "a release that fails in its workers is taken back by the first host itself", deploys.reverted_deploy),
    Drill("migration", "a migration comes once, while the old release serves; where it fails, that serves on", beside.migration),
    Drill("jobs", "deploys and rollbacks while workers have jobs: the effect of each comes once", beside.during_jobs),
    Drill("job-killed", "of a worker that is killed in its job that job alone is left, by its name; another worker takes its place",
          beside.killed_in_a_job),
    Drill("deployer-killed", "a deployer killed at any step leaves whole releases; the next deploy converges", deployers.deployer_killed),
    Drill("ssh-cut", "an SSH connection cut anywhere leaves whole releases, and the next deploy converges", deployers.ssh_cut, in_lab=True),
    Drill("two-deployers", "of two deployers one is told who the other is, and changes nothing", deployers.two_deployers),
    Drill("disk-full", "a deploy to a full disk is refused before anything is switched", deployers.disk_full),
    Drill("worker-killed", "of a killed worker only what it was serving is lost; it is replaced", faults.worker_killed, quick=True),
    Drill("workers-killed", "when all workers are killed at once only what they were serving is lost; nobody waits for an import",
          templates.workers_killed),
    Drill("template-killed", "killed templates touch no worker, and are made anew to replace a killed worker and to scale",
          templates.template_killed, quick=True),
    Drill("template-stopped", "a hung template is made anew; whoever scales meanwhile gets the workers", templates.template_stopped),
    Drill("import-connection", "an application that opens a connection at import is loaded by each worker, and everybody is told why",
          unshared.connection),
    Drill("import-thread", "an application that starts a native thread at import is loaded by each worker, and everybody is told why",
          unshared.thread),
    Drill("handlers", "an application that replaces every signal handler serves nobody any more when a reload away from it is done",
          handlers.replaced),
    Drill("out-of-memory", "of a worker that the kernel kills for its memory only what it was serving is lost; it is replaced",
          memory.worker_out_of_memory, in_lab=True),
    Drill("worker-stopped", "a hung worker is replaced within its time limit; new connections are served meanwhile", faults.worker_stopped,
          Invariant(added=1.5), long=False),
    Drill("workers-hung", "when all workers hang they are replaced, and connections wait for that", faults.workers_hung, WAITS, long=False),
    Drill("master-killed", "a killed master is started again; connections wait, none is refused", faults.master_killed, WAITS, quick=True),
    Drill("slow-clients", "slow and abusive clients delay neither a reload nor anybody else", faults.slow_clients),
    Drill("streams", "1,500 idle event streams and 200 WebSockets are told of a reload by their protocols, and come back spread",
          streams.streams),
    Drill("clock-back", "a clock set back by a year changes nothing", clock.set_back, WAITS, in_lab=True),
    Drill("reboot", "a rebooted host comes back with its release and its workers; the others serve on", faults.reboot, OTHERS),
    Drill("power-loss", "a host that loses its power in a reload comes back with a whole release", faults.power_loss, OTHERS, in_lab=True),
)  # fmt: skip


def choose(only: str, quick: bool, lab: bool) -> tuple[Drill, ...]:
    """The drills of a comma-separated list, or all (of the quick ones, if so wanted). Raises RaabError for a name that is none."""
    if not only:
        return tuple(drill for drill in DRILLS if (drill.quick or not quick) and (lab or not drill.in_lab))
    known = {drill.name: drill for drill in DRILLS}
    names = [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        # Of no drills none fails; that is no success.
        raise RaabError(f"--only: no drill is named, got {only!r}", "`fab drill --list` shows all", exitcodes.BAD_INPUT)
    for name in names:
        if name not in known:
            hint = meant(name, known, "`fab drill --list` shows all")
            raise RaabError(f"--only: no such drill, got {name!r}", hint, exitcodes.BAD_INPUT)
        if known[name].in_lab and not lab:
            raise RaabError(f"--only: {name} is done in the lab only, got an environment of other hosts", "", exitcodes.BAD_INPUT)
    return tuple(known[name] for name in names)
