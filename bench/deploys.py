"""A changed application brought to a lab host that serves: raab beside its floor, and beside the recipe of a new venv with pip."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from figures import Series, Table

from raab.drill.load import Load
from raab.drill.project import Project
from raab.drill.values import Mix
from raab.errors import RaabError
from raab.lab.shell import Shell
from raab.lab.state import LabHost

MIX = Mix(fresh=20, reused=20, connections=4)
PORT = 8200
# The least that any deploy of changed code has to do: see issue 4, Speed.
FLOOR = """\
cat >/opt/floor.whl && rm -rf /opt/floor && cp -al /opt/raab/current/venv /opt/floor && \
/opt/floor/bin/python -I -c 'from raab import create_app; create_app()'"""
# A rollback has nothing to send.
FLOOR_BACK = "/opt/raab/current/venv/bin/python -I -c 'from raab import create_app; create_app()'"
# What many do by hand or with a small script: copy, new venv, pip, link, restart. pip itself is run from its wheel, which spares it 3 s.
UNIT = f"""\
[Service]
Type=notify
User=raab
Environment=RAAB_ENVIRONMENT=production
WorkingDirectory=/opt/recipe
ExecStart=/opt/recipe/current/bin/python -m gunicorn --bind=0.0.0.0:{PORT} --workers=2 --worker-class=gevent \
 --no-control-socket wsgi:application
KillMode=mixed
"""
INSTALL = """\
cd /opt/recipe && rm -rf {name} && python3 -m venv --without-pip {name} && \
PYTHONPATH=$(ls /opt/recipe/pip-*.whl) {name}/bin/python -m pip install --quiet --no-cache-dir --no-index --find-links=/opt/recipe/wheels \
-r requirements.lock && PYTHONPATH=$(ls /opt/recipe/pip-*.whl) {name}/bin/python -m pip install --quiet --no-index --no-deps {wheel}"""
SWITCH = "cd /opt/recipe && ln -sfn {name} current && systemctl restart recipe"


@dataclass
class Book:
    """Where measurements are collected."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.note(f"{name}, seconds", time.monotonic() - begun)

    @contextmanager
    def under_load(self, name: str, address: tuple[str, int]) -> Iterator[None]:
        with Load([address], MIX) as load:
            time.sleep(1)
            yield
            time.sleep(1)
        self.note(f"{name}, requests", load.account.total)
        self.note(f"{name}, lost", len(load.account.failures))
        self.note(f"{name}, slowest ms", load.account.longest * 1000)

    def series(self) -> dict[str, Series]:
        units = {"seconds": "s", "slowest ms": "ms", "bytes": "bytes", "channels": "channels"}
        return {name: Series(units.get(name.rpartition(", ")[2], "requests"), tuple(values)) for name, values in self.values.items()}


def measure(project: Project, host: LabHost, fresh: Callable[[], None], rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
    """`fresh` makes the host bare; a first deploy is then measured, and after it each way `rounds` times."""
    book = Book()
    fresh()
    with book.timed("raab first"):
        project.fab("deploy")
    for number in range(rounds):
        project.change(f"bench {number}")
        project.fab("build", env="")
        with book.under_load("raab code-only", (host.address, 8000)), book.timed("raab code-only"):
            done = project.fab("deploy", "--json")
        (report,) = json.loads(done.out)["hosts"]
        book.note("raab code-only, bytes", report["sent"])
        book.note("raab code-only, channels", report["channels"])
        with book.timed("raab unchanged"):
            project.fab("deploy")
        with book.under_load("raab rollback", (host.address, 8000)), book.timed("raab rollback"):
            project.fab("rollback")
        floors(book, project, host)
        say(f"  round {number + 1}: " + ", ".join(f"{name} {values[-1]:.2f}" for name, values in book.values.items() if "seconds" in name))
    recipe(book, project, host, rounds, say)
    return book.series()


def wheel_of(project: Project) -> Path:
    return max((project.root / "build/raab/bundles").glob("*/parts/raab-*.whl"), key=lambda path: path.stat().st_mtime)


def floors(book: Book, project: Project, host: LabHost) -> None:
    wheel = wheel_of(project).read_bytes()
    with book.timed("floor of code-only"), Shell(host) as shell:
        shell.run(FLOOR, stdin=wheel)
    with book.timed("floor of rollback"), Shell(host) as shell:
        shell.run(FLOOR_BACK)


def recipe(book: Book, project: Project, host: LabHost, rounds: int, say: Callable[[str], None]) -> None:
    """The wheels of dependencies and pip are on the host beforehand, as after a first deploy."""
    pip = next(iter(sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))), None) or bundled_pip()
    with Shell(host) as shell:
        shell.put("/etc/systemd/system/recipe.service", UNIT)
        shell.run(f"mkdir -p /opt/recipe/wheels && cat >/opt/recipe/{pip.name}", stdin=pip.read_bytes())
        shell.put("/opt/recipe/requirements.lock", (project.root / "requirements.lock").read_text())
        shell.put("/opt/recipe/wsgi.py", (project.root / "wsgi.py").read_text())
        shell.run("for wheel in /opt/raab/cache/parts/*/*.whl; do ln -f $wheel /opt/recipe/wheels/; done; systemctl daemon-reload")
    for number in range(rounds + 1):
        wheel, name = wheel_of(project), f"venv{number}"
        if number == 0:
            recipe_steps(host, wheel, name)
            continue
        with book.under_load("pip in a new venv", (host.address, PORT)), book.timed("pip in a new venv"):
            recipe_steps(host, wheel, name)
        book.note("pip in a new venv, bytes", wheel.stat().st_size)
        book.note("pip in a new venv, channels", 3)
        say(f"  pip in a new venv: {book.values['pip in a new venv, seconds'][-1]:.2f} s")


def recipe_steps(host: LabHost, wheel: Path, name: str) -> None:
    """One connection a step, as the words of a script are."""
    with Shell(host) as shell:
        shell.run(f"cat >/opt/recipe/{wheel.name}", stdin=wheel.read_bytes())
    with Shell(host) as shell:
        shell.run(INSTALL.format(name=name, wheel=wheel.name), timeout=120)
    with Shell(host) as shell:
        shell.run(SWITCH.format(name=name), timeout=120)


def bundled_pip() -> Path:
    import ensurepip

    found = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not found:
        raise RaabError("bench: no wheel of pip on this machine, got none in ensurepip", "apt install python3-pip-whl")
    return found[0]


def table(measured: dict[str, Series]) -> Table:
    rows = []
    for name, floor in (
        ("raab first", ""), ("raab code-only", "floor of code-only"), ("raab unchanged", "floor of rollback"),
        ("raab rollback", "floor of rollback"), ("pip in a new venv", "floor of code-only"),
    ):  # fmt: skip
        seconds = measured[f"{name}, seconds"]
        ratio = f"{seconds.ratio(measured[f'{floor}, seconds'])} of {measured[f'{floor}, seconds'].median:.2f} s" if floor else "-"
        sent = measured.get(f"{name}, bytes")
        channels = measured.get(f"{name}, channels")
        rows.append((
            name, ratio, seconds.text(), lost(measured, name), f"{sent.median:,.0f}" if sent else "-",
            f"{channels.median:.0f}" if channels else "-",
        ))  # fmt: skip
    title = "A deploy to one lab host, bundle built (medians, min-max; pip in a new venv: its remote steps replayed, wheels already there)"
    return Table(title, ("", "of its floor", "seconds", "requests lost", "bytes", "SSH channels"), tuple(rows))


def lost(measured: dict[str, Series], name: str) -> str:
    if f"{name}, lost" not in measured:
        return "-"
    failed, sent = sum(measured[f"{name}, lost"].values), sum(measured[f"{name}, requests"].values)
    return f"{failed:.0f} of {sent:,.0f}" + ("" if failed else f" (3/N = {3 / sent:.1e})")
