"""The verbs of `fab`, for every project: what each is asked, and who does it.

A project's fabfile.py has them by `namespace = verbs(__file__)`; its folder is the project's root. Exit codes: src/raab/exitcodes.py.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fabric.main import program
from invoke.collection import Collection
from invoke.context import Context

from raab import exitcodes
from raab.deploy import options
from raab.deploy.membership.tasks import namespace as host
from raab.deploy.report import output
from raab.deploy.report.interruption import PROCESS
from raab.deploy.secrets.tasks import namespace as secrets
from raab.deploy.verb import WAIT, desk, project, verb
from raab.errors import RaabError
from raab.lab.tasks import namespace as lab

if TYPE_CHECKING:
    from raab.deploy.desk import Desk
    from raab.deploy.inspection.asking import Inspection
    from raab.deploy.run import Prepare

# Of a lab that a deploy makes.
HOSTS = 2
PROCESS_TEXT = "a process or timer of the service, and not its web; its name may follow the verb"


def inspection(context: Context, env: str, hosts: str | None, json: bool = False) -> Inspection:
    from raab.deploy.inspection.asking import Inspection

    return Inspection(desk(context, env, hosts, json))


def boot(root: Path, env: str) -> None:
    """The lab that an environment means and that is not there yet."""
    from raab.deploy.environments import lacks_lab

    if lacks_lab(root, env):
        from raab.lab import lab, verbs
        from raab.lab.state import named

        lab.up(named(), HOSTS, verbs.say, str(root))


def deployed(at: Desk, dry_run: bool, wait: float = 0.0, restart: bool = False, take_over: bool = False, canary: str = "") -> int:
    from raab.deploy.bundle.build import build
    from raab.deploy.bundle.supplies import program as caddy
    from raab.deploy.bundle.supplies import supply
    from raab.deploy.environments import edge
    from raab.deploy.plan.canary import share
    from raab.deploy.plan.deploy import Deploy

    percent = share(canary)

    def prepare() -> Deploy:
        environment = at.environment
        told = edge(at.root, environment.settings)
        bundle = build(at.root, environment.service, environment.settings.given, environment.name, told)
        return Deploy(
            at.environment,
            bundle,
            functools.partial(supply, at.root, bundle),
            restart,
            take_over,
            functools.partial(caddy, at.root),
            percent,
        )

    return changed(at, prepare, dry_run, wait)


def changed(at: Desk, prepare: Prepare, dry_run: bool, wait: float) -> int:
    """Carry an operation out, or show what it would do."""
    from raab.deploy.preview import preview
    from raab.deploy.report import telling
    from raab.deploy.run import carry_out

    if dry_run:
        with at.runner() as runner:
            planned, done = preview(at.root, runner, prepare)
        return telling.plan(planned, done, at.as_json)
    at.environment.claim()
    with at.runner() as runner:
        done = carry_out(runner, prepare, wait)
    return telling.report(done, at.console, at.as_json)


@verb(
    dry_run="only print what would be done",
    wait="seconds to wait for another deploy to end (default: do not)",
    restart="by a restart, which ends every process of before: after an intrusion",
    take_over="also where the service belongs to another project",
    canary="one host first, with this share of the requests, such as 10%",
)
def deploy(
    context: Context,
    env: str = "lab",
    hosts: str | None = None,
    dry_run: bool = False,
    wait: float = 0.0,
    restart: bool = False,
    take_over: bool = False,
    canary: str = "",
    json: bool = False,
    debug: bool = False,
) -> int:
    """Bring the working tree to the hosts, proved and measured, or leave them as they were."""
    if not dry_run:
        boot(project(context), env)
    return deployed(desk(context, env, hosts, json), dry_run, wait, restart, take_over, canary)


@verb()
def plan(context: Context, env: str = "lab", hosts: str | None = None, json: bool = False, debug: bool = False) -> int:
    """Print what a deploy would do, and change nothing."""
    return deployed(desk(context, env, hosts, json), dry_run=True)


@verb(
    to="the release to go back to (default: the one that served before)",
    dry_run="only print what would be done",
    wait="seconds to wait for another deploy to end",
)
def rollback(
    context: Context,
    to: str = "",
    env: str = "lab",
    hosts: str | None = None,
    dry_run: bool = False,
    wait: float = 0.0,
    json: bool = False,
    debug: bool = False,
) -> int:
    """Go back to a release that served, without network, as seamlessly as a deploy."""
    from raab.deploy.plan.rollback import Rollback

    at = desk(context, env, hosts, json)
    return changed(at, lambda: Rollback(at.environment, to), dry_run, wait)


@verb()
def build(context: Context, json: bool = False, debug: bool = False) -> int:
    """Make the bundle of the working tree, without any host."""
    from raab.deploy.bundle import build as bundles
    from raab.deploy.report import telling

    began = time.monotonic()
    telling.bundle(bundles.build(project(context)), time.monotonic() - began, json)
    return exitcodes.DONE


@verb()
def lock(context: Context, debug: bool = False) -> int:
    """Write deploy/requirements.lock: what the project's own lock has, and beside it what raab needs on hosts."""
    from raab.project.lock import make

    print(make(project(context)).relative_to(project(context)))
    return exitcodes.DONE


@verb(watch="show it again and again, until Ctrl-C")
def status(
    context: Context, env: str = "lab", hosts: str | None = None, watch: bool = False, json: bool = False, debug: bool = False
) -> int:
    """Show what serves on each host, and where it answers."""
    from raab.deploy.inspection.status import status as show

    return show(desk(context, env, hosts, json), 2.0 if watch else 0.0)


@verb(wait=WAIT)
def reload(context: Context, env: str = "lab", hosts: str | None = None, wait: float = 0.0, debug: bool = False) -> int:
    """systemctl reload of the service on each host: the same code and changed settings, and nobody notices."""
    return inspection(context, env, hosts).service("reload", wait=wait)


@verb(
    process=PROCESS_TEXT,
    rolling="host after host, each out of the load balancer's pool meanwhile; stops at the first that does not come back",
    at_once="with --rolling: how many hosts may be out of the pool at a time (default 1)",
    wait=WAIT,
)
def restart(
    context: Context,
    process: str = "",
    rolling: bool = False,
    at_once: int = 1,
    env: str = "lab",
    hosts: str | None = None,
    wait: float = 0.0,
    debug: bool = False,
) -> int:
    """Start all of the service anew on each host: connections wait meanwhile, none is refused. Of one process: fab restart worker."""
    if rolling and process:
        raise RaabError("restart: --rolling is of the web, got a process", f"fab restart {process}", exitcodes.BAD_INPUT)
    if rolling:
        from raab.deploy import rolling as turns

        return turns.roll(desk(context, env, hosts), turns.RESTART, at_once, wait)
    return inspection(context, env, hosts).service("restart", wait=wait, process=process)


@verb(at_once="how many hosts may be out of the pool at a time (default 1)", wait=WAIT)
def reboot(context: Context, at_once: int = 1, env: str = "lab", hosts: str | None = None, wait: float = 0.0, debug: bool = False) -> int:
    """Boot host after host anew, each out of the load balancer's pool meanwhile; stops at the first that does not come back."""
    from raab.deploy import rolling

    return rolling.roll(desk(context, env, hosts), rolling.REBOOT, at_once, wait)


@verb(count="how many workers of the web: 4, +1 or -1; or of a process: worker=4, worker=+1", wait=WAIT)
def scale(context: Context, count: str, env: str = "lab", hosts: str | None = None, wait: float = 0.0, debug: bool = False) -> int:
    """Change the number of workers, or of a process's instances, on each host."""
    return inspection(context, env, hosts).service("scale", count, wait)


@verb(process=PROCESS_TEXT, lines="how many lines of each host (default 20)", follow="go on with what comes, until Ctrl-C")
def logs(
    context: Context,
    process: str = "",
    env: str = "lab",
    hosts: str | None = None,
    lines: int = 20,
    follow: bool = False,
    debug: bool = False,
) -> int:
    """Show the service's log of each host, or that of a process or timer: fab logs worker."""
    return inspection(context, env, hosts).logs(lines, follow, process)


@verb(
    process="a timer of the service: what it runs, now; its name may follow the verb",
    detach="by itself: nobody waits for it, and it does not end with this connection",
)
def run(context: Context, process: str = "", env: str = "lab", hosts: str | None = None, detach: bool = False, debug: bool = False) -> int:
    """Run a command on one host as the service would, in the current release: fab run -- flask db current. Or that of a timer, now: fab run
    cleanup."""
    from raab.deploy import command

    words = tuple(context.config.raab.words)
    if bool(words) == bool(process):
        got = f"{process} and {words[0]}" if words else "nothing after --"
        hint = "fab run -- flask routes; fab run cleanup for what a timer runs; fab shell for a shell"
        raise RaabError(f"run: names no command, or two, got {got}", hint, exitcodes.BAD_INPUT)
    return command.run(desk(context, env, hosts), words, process, detach)


@verb()
def shell(context: Context, env: str = "lab", hosts: str | None = None, debug: bool = False) -> int:
    """Open the framework's shell on one host, as `fab run` runs a command."""
    from raab.deploy import command

    return command.run(desk(context, env, hosts), ())


@verb()
def releases(context: Context, env: str = "lab", hosts: str | None = None, json: bool = False, debug: bool = False) -> int:
    """List the releases that each host keeps."""
    return inspection(context, env, hosts, json).releases()


@verb()
def history(context: Context, env: str = "lab", hosts: str | None = None, json: bool = False, debug: bool = False) -> int:
    """Who activated what, when and how it ended, from the hosts' own journals."""
    return inspection(context, env, hosts, json).history()


@verb()
def doctor(context: Context, env: str = "lab", hosts: str | None = None, json: bool = False, debug: bool = False) -> int:
    """Look each host over: versions, disk, clock, drift of installed files and units, workers."""
    return inspection(context, env, hosts, json).doctor()


@verb(force="also end an activation that hangs, and have one complete release serve")
def unlock(context: Context, env: str = "lab", hosts: str | None = None, force: bool = False, debug: bool = False) -> int:
    """Free the hosts from a deployer that is stuck."""
    return inspection(context, env, hosts).unlock(force)


@verb(state="on or off", wait=WAIT)
def maintenance(context: Context, state: str, env: str = "lab", wait: float = 0.0, debug: bool = False) -> int:
    """Have every edge give a page with 503 in the place of the service (on), or no longer (off); deploys and boots leave that as it is."""
    from raab.deploy import maintenance as page

    return page.turn(desk(context, env, None), state, wait)


@verb(
    name="the service, as a check on the environment",
    purge="also its data, settings and user: /var/lib/NAME and /etc/NAME",
    yes="do not ask",
    wait="seconds to wait for a deploy to end",
)
def remove(
    context: Context,
    name: str,
    env: str = "lab",
    hosts: str | None = None,
    purge: bool = False,
    yes: bool = False,
    wait: float = 0.0,
    debug: bool = False,
) -> int:
    """Take the service off its hosts; what it has written stays, unless it is purged."""
    from raab.deploy import removal

    return removal.remove(desk(context, env, hosts), name, purge, yes, wait)


@verb(
    bounded=False,
    only="these drills only, separated by commas",
    list="show the drills and carry out none",
    quick="a smaller choice with fewer rounds, in under 3 minutes",
    rate="requests per second to all hosts together (default 1000, with --quick 100)",
    report="write a report to this file (HTML)",
)
def drill(
    context: Context,
    env: str = "lab",
    hosts: str | None = None,
    only: str = "",
    list: bool = False,
    quick: bool = False,
    rate: float = 0.0,
    report: str = "",
    json: bool = False,
    debug: bool = False,
) -> int:
    """Operate and break an environment under load, and account for every request."""
    from raab.drill import command

    return command.table(json) if list else command.drill(project(context), env, hosts, only, quick, rate, report, json)


def verbs(fabfile: str) -> Collection:
    """What a project's fabfile has as its `namespace`; `fabfile` is its own `__file__`. To be called while Fabric loads it."""
    changing = (deploy, rollback, reload, restart, reboot, scale, run, shell, unlock, maintenance, remove)
    telling = (plan, build, lock, status, logs, releases, history, doctor, drill)
    all_of_them = (*changing, *telling)
    namespace = Collection(*all_of_them, host, lab, secrets)
    words = options.keep(program, {str(room.name): set(room.task_names) for room in (host, lab, secrets)})
    namespace.configure({"raab": {"root": str(Path(fabfile).resolve().parent), "words": list(words)}})
    output.install()
    PROCESS.heed()
    return namespace
