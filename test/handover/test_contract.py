"""What src/handover and src/http1 rest upon in gunicorn and gevent beyond what is documented: each member by name, with a digest of it.

contract.txt is written by hand, a line at a time, after the member has been read: the hints say what line. After an upgrade
they are the list of what to read again.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from . import members, sources

ROOT = Path(__file__).parents[2]
CONTRACT = Path(__file__).with_name("contract.txt")


def problems(named: list[str], uses: list[Any]) -> list[str]:
    """What is wrong with the lines of a contract, each with what to do about it."""
    used: dict[str, str] = {}
    where: dict[str, set[str]] = {}
    for use in uses:
        used[use.member.name] = use.member.digest
        where.setdefault(use.member.name, set()).add(use.where)
    found = [f"{line!r}: is not one name and one digest, or comes twice\nhint: mend or remove it" for line in malformed(named)]
    digests = dict(line.split() for line in named if line not in malformed(named))
    for name in sorted(used.keys() | digests.keys()):
        places = "\n".join(f"      {place}" for place in sorted(where.get(name, ())))
        if name not in digests:
            found.append(f"{name}: is used and not named, in\n{places}\nhint: read it, and then add: {name} {used[name]}")
        elif name not in used:
            found.append(f"{name}: is named, and nobody overrides or uses it\nhint: remove its line")
        elif digests[name] != used[name]:
            found.append(
                f"{installed(name)}: {name} changed; read it again against\n{places}\nhint: then replace its line by: {name} {used[name]}"
            )
    return found


def malformed(named: list[str]) -> list[str]:
    names = [line.split(" ")[0] for line in named]
    return [line for line in named if len(line.split(" ")) != 2 or names.count(line.split(" ")[0]) > 1]


def installed(name: str) -> str:
    package = name.split(".")[0]
    return f"{package} {metadata.version(package)}"


def test_each_member_that_is_used_is_as_it_was_when_it_was_read() -> None:
    """An upgrade of gunicorn or gevent says itself what of this project has to be looked at."""
    found = problems(CONTRACT.read_text().splitlines(), members.of_project(ROOT))
    if found:
        pytest.fail("\n".join([f"{CONTRACT.relative_to(ROOT)}: {len(found)} lines are not right", *found]), pytrace=False)


def project(folder: Path, source: str) -> list[Any]:
    """The uses of a project whose src/handover is one file."""
    (folder / "src/handover").mkdir(parents=True)
    (folder / "src/handover/master.py").write_text(source)
    (folder / "gunicorn.py").write_text("workers = 2\n")
    return members.of_project(folder)


SOURCE = """
from typing import Any
import gevent
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

class Master(Arbiter):
    log: Any

    def reap_workers(self) -> None:
        self.started = self.cfg.timeout
        self.log.reopen_files()

class Man(GeventWorker):
    def handle(self, *args: Any) -> None:
        super().handle(*args)
        gevent.sleep(0)

class Successor(Master):
    def handle_winch(self) -> None:
        self.wakeup()

class Alone:
    def write(self) -> None:
        self.pidfile = ""

def of_others(master: Master, whatever: Any, number: int) -> None:
    print(number.reexec_pid)
    master.WORKERS.clear()
    whatever.worker_connections = 2
    print(whatever.nobody_has_this, len(str(master)))
"""


def test_the_finder_finds_each_way_of_use(tmp_path: Path) -> None:
    """Overriding, and being called by what is not overridden; super(), self, annotated names, gunicorn's own names, nobody's names."""
    found = {use.member.name for use in project(tmp_path, SOURCE)}
    assert found >= {
        "gunicorn.arbiter.Arbiter",
        "gunicorn.arbiter.Arbiter.reap_workers",
        "gunicorn.arbiter.Arbiter.handle_chld",
        "gunicorn.arbiter.Arbiter.cfg",
        "gunicorn.arbiter.Arbiter.handle_winch",
        "gunicorn.arbiter.Arbiter.wakeup",
        "gunicorn.arbiter.Arbiter.WORKERS",
        "gunicorn.config.Timeout",
        "gunicorn.config.Workers",
        "gunicorn.glogging.Logger.reopen_files",
        "gunicorn.workers.ggevent.GeventWorker.handle",
        "gunicorn.workers.base_async.AsyncWorker.handle",
        "gunicorn.workers.base_async.AsyncWorker.worker_connections",
        "gevent.hub.sleep",
    }
    assert not [name for name in found if name.endswith((".clear", ".nobody_has_this", "Arbiter.reexec", ".pidfile", ".reexec_pid"))]


def test_each_problem_has_its_own_hint(tmp_path: Path) -> None:
    """All at once, so that one run says all that there is to read."""
    uses = project(tmp_path, SOURCE)
    right = sorted({f"{use.member.name} {use.member.digest}" for use in uses})
    assert not problems(right, uses)
    lines = [line for line in right if not line.startswith("gevent.hub.sleep ")]
    lines = [line.rpartition(" ")[0] + " 0123456789ab" if "Arbiter.reap_workers " in line else line for line in lines]
    missing, unused, changed = sorted(problems([*lines, "gunicorn.util.unused 0123456789ab"], uses), key=lambda text: "changed" in text)
    assert "is used and not named" in missing and "add: gevent.hub.sleep " in missing
    assert unused == "gunicorn.util.unused: is named, and nobody overrides or uses it\nhint: remove its line"
    assert changed.startswith(
        f"gunicorn {metadata.version('gunicorn')}: gunicorn.arbiter.Arbiter.reap_workers changed; read it again against"
    )
    assert "src/handover/master.py, Master.reap_workers overrides it" in changed
    assert len(problems([right[0], right[0]], [])) == 2


def test_a_comment_is_no_change() -> None:
    """What counts of a member is its code."""
    plain = sources.Member("a.b", "    def b():\n        return 1\n")
    assert plain.digest == sources.Member("a.b", "def b():\n\n    # Why.\n    return 1").digest
    assert plain.digest != sources.Member("a.b", "def b():\n    return 2").digest
