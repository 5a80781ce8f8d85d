"""A changed application brought to a lab host that serves: raab beside its floor, fujin, and the recipe of a new venv with pip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import recipe
from book import Book
from figures import Series, Table
from fujin_deploys import FUJIN, Fujin
from peers import fetched

from raab.drill.stage.project import NAME, Project
from raab.drill.stage.proxy import Proxy
from raab.drill.traffic.http import Address
from raab.lab.shell import Shell
from raab.lab.state import LabHost

# The least that any deploy of changed code has to do: send it, link what is installed, load it once.
FLOOR = """\
cat >/opt/floor.whl && rm -rf /opt/floor && cp -al /opt/raab/current/venv /opt/floor && \
/opt/floor/bin/python -I -c 'from raab import create_app; create_app()'"""
# A rollback has nothing to send.
FLOOR_BACK = "/opt/raab/current/venv/bin/python -I -c 'from raab import create_app; create_app()'"
STEPS = ("first", "code-only", "unchanged", "rollback")
FLOORS = {"code-only": "floor of code-only", "unchanged": "floor of rollback", "rollback": "floor of rollback"}
Say = Callable[[str], None]


class Way(Protocol):
    """A tool that deploys. `address` is where its service answers."""

    name: str
    address: Address

    def fresh(self) -> None:
        """Makes the host one that the tool has not deployed to."""

    def take(self, wheel: Path) -> None:
        """What the next deploy brings, built."""

    def reach(self, address: Address) -> None:
        """By which way to the host's sshd it goes from now on."""

    def deploy(self) -> None: ...

    def rollback(self) -> None: ...

    def check(self, wanted: str) -> None:
        """Raises RaabError unless the host has the code with this mark."""


class Raab:
    """The project's own `fab`."""

    name = "raab"

    def __init__(self, project: Project, host: LabHost, fresh: Callable[[], None]) -> None:
        self.project = project
        self.host = host
        self.fresh = fresh
        self.address: Address = (host.address, 8000)
        self.environment = NAME

    def take(self, wheel: Path) -> None:
        """The bundle with the wheel is in the project already."""

    def reach(self, address: Address) -> None:
        direct = address[0] == self.host.address
        self.environment = NAME if direct else self.project.proxied(self.project.host(self.host.name), address[1])

    def deploy(self) -> None:
        self.project.fab("deploy", env=self.environment)

    def rollback(self) -> None:
        self.project.fab("rollback", env=self.environment)

    def check(self, wanted: str) -> None:
        with Shell(self.host) as shell:
            shell.run(f"grep -q '{wanted}' /opt/raab/current/venv/lib/python3*/site-packages/drillroutes/mark.py")


def measure(project: Project, host: LabHost, fresh: Callable[[], None], rounds: int, say: Say) -> dict[str, Series]:
    """`fresh` makes the host bare. Each tool goes each way `rounds` times."""
    book = Book()
    raab = Raab(project, host, fresh)
    course(book, raab, project, rounds, say, lambda: floors(book, project, host))
    count(book, raab, project, host)
    recipe.measure(book, project, host, lambda number: built(project, f"recipe {number}"), rounds, say)
    with tempfile.TemporaryDirectory(prefix="raab-bench-") as folder:
        root, library = Path(folder) / "project", Path(folder) / "library"
        if fetched(FUJIN, library):
            root.mkdir()
            fujin = Fujin(host, root, library, project.root / "requirements.lock")
            course(book, fujin, project, rounds, say)
            count(book, fujin, project, host)
    return book.series()


def course(book: Book, way: Way, project: Project, rounds: int, say: Say, beside: Callable[[], None] = lambda: None) -> None:
    """First deploys, then changed code, the same again, and back, under load; `beside` is what is measured in the same rounds."""
    for number in range(rounds):
        way.fresh()
        way.take(built(project, f"{way.name} first {number}"))
        with book.timed(f"{way.name} first"):
            way.deploy()
    for number in range(rounds):
        before, now = f"{way.name} {number - 1}" if number else f"{way.name} first {rounds - 1}", f"{way.name} {number}"
        way.take(built(project, now))
        for step, act, then in (("code-only", way.deploy, now), ("unchanged", way.deploy, now), ("rollback", way.rollback, before)):
            with book.under_load(f"{way.name} {step}", way.address), book.timed(f"{way.name} {step}"):
                act()
            way.check(then)
        # The next round begins where this one did not end.
        way.deploy()
        beside()
        say(
            f"  {way.name}, round {number + 1}: "
            + ", ".join(f"{step} {book.values[f'{way.name} {step}, seconds'][-1]:.2f}" for step in STEPS)
        )


def count(book: Book, way: Way, project: Project, host: LabHost) -> None:
    """The same course once more, with nobody looking at the time, for what goes over the wire."""
    way.fresh()
    with Proxy((host.address, 22), cut=None) as proxy:
        way.reach(("127.0.0.1", proxy.port))
        for step in STEPS:
            if step in ("first", "code-only"):
                way.take(built(project, f"{way.name} {step}, counted"))
            with book.counted(f"{way.name} {step}", host, proxy):
                way.rollback() if step == "rollback" else way.deploy()
        way.reach((host.address, 22))


def built(project: Project, mark: str) -> Path:
    """Changes the code and builds it; returns its wheel."""
    project.change(mark)
    project.fab("build", env="")
    return max((project.root / "build/raab/bundles").glob("*/parts/raab-*.whl"), key=lambda path: path.stat().st_mtime)


def floors(book: Book, project: Project, host: LabHost) -> None:
    wheel = max((project.root / "build/raab/bundles").glob("*/parts/raab-*.whl"), key=lambda path: path.stat().st_mtime).read_bytes()
    for name, command, stdin in (("floor of code-only", FLOOR, wheel), ("floor of rollback", FLOOR_BACK, b"")):
        # What else the machine does is to be the same for both.
        with book.under_load(name, (host.address, 8000)), book.timed(name), Shell(host) as shell:
            shell.run(command, stdin=stdin)


def table(measured: dict[str, Series]) -> Table:
    rows = [row(measured, "raab", step) for step in STEPS]
    rows += [row(measured, "fujin", step) for step in STEPS if f"fujin {step}, seconds" in measured]
    rows.append(row(measured, recipe.NAME, "code-only"))
    title = (
        "A deploy to one lab host, bundle or wheel built (medians, min-max), all and the floors under the same traffic. fujin:\n"
        f"{FUJIN} itself, its proxy off; only what its bootstrap fetches (uv, Python, wheels) is put there beforehand. pip in a new\n"
        "venv: its remote steps replayed, wheels there. Bytes sent and SSH channels: counted once more, by a proxy and in sshd's log"
    )
    return Table(title, ("", "of raab's", "of the floor", "seconds", "requests lost", "bytes", "SSH channels"), tuple(rows))


def row(measured: dict[str, Series], way: str, step: str) -> tuple[str, ...]:
    name = f"{way} {step}"
    seconds, floor = measured[f"{name}, seconds"], measured.get(f"{FLOORS.get(step)}, seconds")
    sent, channels = measured[f"{name}, bytes"], measured[f"{name}, channels"]
    of_floor = f"{seconds.ratio(floor)} of {floor.median:.2f} s" if floor else "-"
    return (
        name, seconds.ratio(measured[f"raab {step}, seconds"]), of_floor, seconds.text(), lost(measured, name),
        f"{sent.median:,.0f}", f"{channels.median:.0f}",
    )  # fmt: skip


def lost(measured: dict[str, Series], name: str) -> str:
    if f"{name}, lost" not in measured:
        return "-"
    failed, sent = sum(measured[f"{name}, lost"].values), sum(measured[f"{name}, requests"].values)
    return f"{failed:.0f} of {sent:,.0f}" + ("" if failed else f" (3/N = {3 / sent:.1e})")
