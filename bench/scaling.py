"""What a fleet takes of the machine that deploys to it: processor, memory, descriptors, for ten, a hundred and a thousand hosts.

Needs no root: the hosts are faked (faked.py), which answer at once. So the seconds are what the deployer adds to the hosts' own.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import faked
from figures import Series, Table
from usage import TICKS

from raab.deploy.bundle.build import build
from raab.deploy.bundle.platforms import Platform
from raab.deploy.bundle.supplies import supply_platform
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.drill.stage.project import NAME, Project, copy
from raab.errors import RaabError

ROOT = Path(__file__).resolve().parents[1]
COUNTS = (10, 100, 1000)
VERBS = ("deploy", "status", "plan")
# How often it is looked at how many processes and descriptors there are.
LOOK_SECONDS = 0.1
UNITS = {"CPU": "s", "seconds": "s", "memory": "MB", "descriptors": "", "processes": "", "threads": ""}


@dataclass(frozen=True)
class Use:
    """What a verb has taken: seconds, the deployer's own CPU seconds, and at the highest megabytes of it, its open descriptors, the
    processes that it had started, its threads."""

    seconds: float
    processor: float
    memory: float
    descriptors: int
    processes: int
    threads: int

    def noted(self) -> dict[str, float]:
        values = (self.processor, self.seconds, self.memory, self.descriptors, self.processes, self.threads)
        return dict(zip(UNITS, values, strict=True))


class Alive(BaseHTTPRequestHandler):
    """What `fab status` asks each host."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def measure(rounds: int, counts: tuple[int, ...] = COUNTS, say: Callable[[str], None] = lambda _: None) -> dict[str, Series]:
    """Each verb with each number of hosts, `rounds` times, in turn."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="raab-bench-") as folder, answering() as port:
        project = prepared(Path(folder), port, counts)
        for _ in range(rounds):
            for count in counts:
                for verb in VERBS:
                    use = used(project, Path(folder), verb, named(count))
                    say(f"  {verb} of {count} hosts: {use}")
                    for what, value in use.noted().items():
                        found.setdefault(f"{verb}, {count} hosts, {what}", []).append(value)
    return {name: Series(UNITS[name.rpartition(", ")[2]], tuple(values)) for name, values in found.items()}


def named(count: int) -> str:
    return f"hosts{count}"


@contextmanager
def answering() -> Iterator[int]:
    """The port at which every address of this machine answers."""
    with ThreadingHTTPServer(("0.0.0.0", 0), Alive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def prepared(folder: Path, port: int, counts: tuple[int, ...]) -> Project:
    """A project of two commits, and hosts on which the first one serves."""
    (folder / "project").mkdir()
    nobody = Host("web0", "127.1.0.1", 0, "", "", "", ("app",))
    environment = Environment(NAME, (nobody,), False, File(hosts=Hosts(False, {"web0": HostEntry()})))
    project = copy(ROOT, folder / "project", environment, import_seconds=0)
    (project.root / ".gitignore").write_text("/build/\n__pycache__/\n")
    git(project, "init", "--quiet")
    commit = committed(project, "the first")
    platform = Platform(faked.PYTHON, "CPython", "glibc 2.36", faked.MACHINE)
    before = build(project.root)
    faked.program(folder, before, commit, supply_platform(project.root, before, platform), port)
    for count in counts:
        faked.environment(named(count), count, project.root, port)
    committed(project, "the second")
    project.fab("build", env="")
    return project


def committed(project: Project, title: str) -> str:
    """The commit of a changed tree."""
    project.change(title)
    git(project, "add", "--all")
    git(project, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "--message", title)
    return git(project, "rev-parse", "HEAD")


def git(project: Project, *words: str) -> str:
    return subprocess.run(("git", *words), cwd=project.root, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def used(project: Project, folder: Path, verb: str, env: str) -> Use:
    """Carries a verb out, with the faked hosts before whatever is called ssh here. Raises RaabError where it fails."""
    environ = {**project.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(project.command(verb, env=env), cwd=project.root, env=environ, stdout=said, stderr=said)
        most = (0, 0, 0)
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            with suppress(OSError):
                most = tuple(map(max, most, looked(process.pid)))  # type: ignore[assignment]
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - begun
        # Of a process that has ended and was not waited for these fields are still there, without those of its children (proc(5), stat).
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RaabError(f"fab {verb} --env {env}: wanted exit code 0, got {process.returncode}\n{said.read().decode()[-2000:]}")
    return Use(seconds, sum(map(int, fields[11:13])) / TICKS, usage.ru_maxrss / 1024, *most)


def looked(pid: int) -> tuple[int, int, int]:
    """Its descriptors, its children, its threads."""
    process = Path(f"/proc/{pid}")
    tasks = tuple((process / "task").iterdir())
    children = sum(len((task / "children").read_text().split()) for task in tasks)
    return sum(1 for _ in (process / "fd").iterdir()), children, len(tasks)


def table(measured: dict[str, Series]) -> Table:
    rows = []
    for verb in VERBS:
        counts = sorted({int(name.split()[1]) for name in measured if name.startswith(f"{verb}, ")})
        for count in counts:
            mine = {what: measured[f"{verb}, {count} hosts, {what}"] for what in UNITS}
            rows.append((
                f"{verb}, {count} hosts", mine["CPU"].text(), further(measured, verb, counts, count, "CPU", 1000, "ms"),
                mine["seconds"].text(), f"{mine['memory'].median:.0f} MB", further(measured, verb, counts, count, "memory", 1000, "kB"),
                f"{mine['descriptors'].median:.0f}", f"{mine['processes'].median:.0f}", f"{mine['threads'].median:.0f}",
            ))  # fmt: skip
    title = (
        "What fleets take of the deployer's machine (medians, min-max): all of `fab` real, the hosts a shell script that answers at once.\n"
        "For a further host: the difference to the row above, by its further hosts; where it grows, so does what each host costs"
    )
    columns = ("", "CPU", "for a further host", "seconds", "memory", "for a further host", "descriptors", "processes", "threads")
    return Table(title, columns, tuple(rows))


def further(measured: dict[str, Series], verb: str, counts: list[int], count: int, what: str, times: float, unit: str) -> str:
    """What each host more costs than as many as the row before has."""
    place = counts.index(count)
    if not place:
        return "-"
    fewer = counts[place - 1]
    more = measured[f"{verb}, {count} hosts, {what}"].median - measured[f"{verb}, {fewer} hosts, {what}"].median
    return f"{more / (count - fewer) * times:.1f} {unit}"
