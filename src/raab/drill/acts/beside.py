"""What runs beside the web: workers that have jobs, and a migration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from raab import exitcodes
from raab.drill.acts.deploys import deployed, everywhere
from raab.drill.scene import Scene, name
from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.work import FOLDER

WORKERS = "processes: {worker: {command: python -m drillroutes.work, count: 2, settle: 0, ready: waiting for jobs}}\n"
MIGRATED = "migrate: python -m drillroutes.work migrate\n"
PLACE = f"/var/lib/raab/{FOLDER}"
# Twenty a second, half of what two workers do, by a unit of its own. A file is no job before it has its name.
ORDERS = f"cd {PLACE} && n=0; until [ -e enough ]; do n=$((n + 1)); : >new && mv new todo/$n; sleep 0.05; done; echo $n >ordered"
UNIT = "raab-drill-orders"
UNITS = "ls -d raab@* */raab@* 2>/dev/null"


@contextmanager
def having(scene: Scene, text: str) -> Iterator[None]:
    """The project says this of itself, too; afterwards all hosts serve the drills' own release again, which has nothing of it."""
    on_each(scene, f"rm -rf {PLACE} && install -d -o raab -g raab {PLACE} {PLACE}/todo {PLACE}/doing")
    scene.project.configure(text)
    try:
        yield
    finally:
        scene.project.configure("")
        on_each(scene, f"touch {PLACE}/enough")
        scene.project.fab("rollback", "--to", scene.release)
        scene.each(lambda service: gone(scene, service))


def on_each(scene: Scene, command: str) -> None:
    for service in scene.services:
        service.run(command)


def gone(scene: Scene, service: Service) -> None:
    # What an activation does after its verdict takes a moment.
    units = service.run(f"cd {PATHS.units}; for n in $(seq 50); do {UNITS} >/dev/null || break; sleep 0.2; done; {UNITS}", check=False).out
    scene.fact(f"{name(service)}: units beside the web of a release that has none", [], units.split())
    service.run(f"rm -rf {PLACE}")


def ordering(service: Service) -> None:
    service.run(f"systemd-run --quiet --collect --unit={UNIT} sh -c '{ORDERS}'")


def during_jobs(scene: Scene) -> None:
    """Deploys and a rollback while workers have jobs, which they finish in the release that they are of."""
    with having(scene, WORKERS):
        first = deployed(scene, "deploy")
        scene.each(ordering)
        for number in scene.rounds(3):
            scene.project.change(f"jobs {number}")
            everywhere(scene, deployed(scene, "deploy"), "after a deploy during jobs")
        everywhere(scene, deployed(scene, "rollback", "--to", first), "after a rollback during jobs")
        scene.each(lambda service: counted(scene, service, named=0))


def counted(scene: Scene, service: Service, named: int) -> None:
    """No more jobs come; each that came has had its effect, once, but for so many, whose names are still there."""
    service.run(f'touch {PLACE}/enough; until [ -e {PLACE}/ordered ] && [ -z "$(ls {PLACE}/todo)" ]; do sleep 0.1; done', timeout=90)
    # The last of them.
    service.run(f"for n in $(seq 50); do [ $(ls {PLACE}/doing | wc -l) -le {named} ] && break; sleep 0.1; done")
    ordered = int(service.run(f"cat {PLACE}/ordered").out)
    effects = Counter(line.split()[0] for line in service.run(f"cat {PLACE}/done").out.splitlines())
    left = set(service.run(f"ls {PLACE}/doing").out.split())
    missing = {str(number) for number in range(1, ordered + 1)} - set(effects)
    scene.fact(f"{name(service)}: jobs whose effect came twice", [], [job for job, times in effects.items() if times > 1])
    scene.fact(f"{name(service)}: jobs without an effect that are not named", [], sorted(missing - left))
    scene.fact(f"{name(service)}: jobs that are named, at most {named}", True, len(left) <= named)
    scene.fact(f"{name(service)}: jobs came all the while", True, ordered > 20)


def killed_in_a_job(scene: Scene) -> None:
    """SIGKILL of a worker, again and again: another one takes its place, and of its jobs one at most is not done."""
    with having(scene, WORKERS):
        deployed(scene, "deploy")
        scene.each(ordering)
        for _ in scene.rounds(5):
            scene.each(lambda service: killed(scene, service))
        scene.each(lambda service: counted(scene, service, named=scene.round))


def killed(scene: Scene, service: Service) -> None:
    unit = PATHS.beside("worker-1")
    pid = f"systemctl show --property=MainPID --value {unit}"
    before = service.run(pid).out.strip()
    with scene.phase(f"SIGKILL of a worker beside the web {name(service)}"):
        service.run(f"kill -KILL {before}")
        another = f'for n in $(seq 100); do now=$({pid}); [ "$now" != {before} ] && [ "$now" != 0 ] && break; sleep 0.1; done; echo $now'
        after = service.run(another).out.strip()
    scene.fact(f"{name(service)}: another worker beside the web took its place within 10 s", True, after not in (before, "0"))


def migration(scene: Scene) -> None:
    """Deploys with a migration, once for all hosts, while the old release serves; then one whose migration fails."""
    with having(scene, MIGRATED):
        before = scene.release
        for number in scene.rounds(3):
            scene.project.change(f"migration {number}")
            release = deployed(scene, "deploy")
            everywhere(scene, release, "after a migration")
            migrated(scene, release, before)
            before = release
        on_each(scene, f"touch {PLACE}/fail")
        scene.project.change("migration that fails")
        with scene.phase("migration that fails"):
            done = scene.project.fab("deploy", "--json", expect=None)
        scene.fact("exit code of a deploy whose migration fails", exitcodes.FAILED, done.code)
        scene.fact("what the migration said is told", True, "the column is there already" in done.out)
        everywhere(scene, before, "after a migration that failed")


def migrated(scene: Scene, release: str, before: str) -> None:
    """Each migration notes its release, and the one that was current on its host."""
    told = " ".join(service.run(f"grep -s '^{release} ' {PLACE}/migrated", check=False).out for service in scene.services)
    scene.fact("migrations of a deploy, with what served then", [release, before], told.split())
