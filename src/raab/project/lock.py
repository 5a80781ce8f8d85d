"""deploy/requirements.lock: the project's own dependencies as its lock has them, and beside them what raab needs on a host."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import uv

from raab import exitcodes
from raab.deploy.bundle import lockfile
from raab.deploy.bundle.lockfile import Locked
from raab.errors import RaabError
from raab.project import runtime
from raab.project.choice import LOCK
from raab.project.wanted import Wanted, find

HEAD = """\
# Written by `fab lock`, of {file} and of what raab {version} needs beside it. What hosts install.
# wanted: {digest}
"""
WANTED = re.compile(r"^# wanted: ([0-9a-f]{64})$", re.MULTILINE)
COMPILE = ("--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--no-python-downloads")
# The oldest that raab runs on.
OLDEST = "3.10"


def make(root: Path) -> Path:
    """Write it. Raises RaabError where the project and raab cannot both have what they need, and where there is no such thing."""
    wanted = find(root)
    conflicts(wanted)
    resolved = resolve(root, wanted)
    own = {(one.name, one.version): one for one in (*wanted.pins, *wanted.within)}
    lines = [HEAD.format(file=wanted.file, version=runtime.version(), digest=digest(wanted)).rstrip(), *wanted.options]
    # Whose version a lock of the project's names is what that lock says it is.
    lines += [text(with_hashes(one, own.get((one.name, one.version)))) for one in resolved]
    target = root / LOCK
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def stale(root: Path) -> str:
    """Why it does not fit what the project and the installed raab want by now, for people; empty where it does."""
    wanted = find(root)
    there = lockfile.read(root / LOCK)
    said = WANTED.search((root / LOCK).read_text(encoding="utf-8", errors="replace"))
    if said is None or said[1] == digest(wanted):
        return ""
    pinned = {one.name: one.version for one in there.locked}
    differing = [
        f"{one.name} {one.version} and {pinned.get(one.name, 'none')}" for one in wanted.pins if pinned.get(one.name) != one.version
    ]
    loose = [line for line in (*wanted.loose, *runtime.needs()) if not met(line, pinned)]
    what = [*(f"{one} in {LOCK}" for one in differing[:5]), *(f"{line} is not in it" for line in loose[:5])]
    return ", ".join(what) or f"{wanted.file} or raab's own needs have changed"


def met(line: str, pinned: dict[str, str]) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        one = Requirement(line)
    except InvalidRequirement:
        return True
    version = pinned.get(lockfile.canonical(one.name))
    return one.marker is not None or (version is not None and one.specifier.contains(version, prereleases=True))


def digest(wanted: Wanted) -> str:
    lines = [f"{one.name} {one.version} {one.url} {one.marker}" for one in (*wanted.pins, *wanted.within)]
    return hashlib.sha256("\n".join([*lines, *wanted.loose, *wanted.options, *runtime.needs()]).encode()).hexdigest()


def conflicts(wanted: Wanted) -> None:
    """Raises RaabError that names both sides where a version of the project's lock is none that raab runs with."""
    from packaging.requirements import Requirement

    needs = {lockfile.canonical(one.name): one for one in map(Requirement, runtime.needs())}
    found = [
        f"{one.name} {one.version} there, and raab {runtime.version()} needs {one.name}{needs[one.name].specifier}"
        for one in (*wanted.pins, *wanted.within)
        if one.name in needs and not needs[one.name].specifier.contains(one.version, prereleases=True)
    ]
    if found:
        raise RaabError(f"{wanted.file}: {'; '.join(found)}", "allow that version in the project, and lock it anew", exitcodes.BAD_INPUT)


def resolve(root: Path, wanted: Wanted) -> tuple[Locked, ...]:
    """All that both want, by uv's word."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        own, ours, bounds = home / f"{Path(wanted.file).name}.txt", home / "raab.txt", home / "bounds.txt"
        own.write_text("\n".join([*wanted.loose, *map(pin, wanted.pins)]) + "\n")
        ours.write_text("\n".join(runtime.needs()) + "\n")
        bounds.write_text("\n".join(map(pin, wanted.within)) + "\n")
        command = (uv.find_uv_bin(), "pip", "compile", *COMPILE, f"--constraint={bounds}", *words(wanted.options), str(own), str(ours))
        # What the project has pinned may want a newer Python than raab does: then this machine's.
        for python in ((f"--python-version={OLDEST}",), ()):
            done = subprocess.run((*command, *python), cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            if not done.returncode:
                return tuple(lockfile.entry("uv", line) for _, line in lockfile.logical(done.stdout) if not line.startswith("-"))
        said = lockfile.masked(done.stderr.replace(f"{home}/", "").strip())[-2000:]
    problem = f"lock: nothing fits {wanted.file} and raab {runtime.version()} together, got:\n{said}"
    raise RaabError(problem, "uv's words are above", exitcodes.REFUSED)


def words(options: Iterable[str]) -> list[str]:
    """pip's options as uv has them, too; variables in them are filled in."""
    return [os.path.expandvars(word) for line in options for word in line.replace("=", " ", 1).split(None, 1) if word != "--pre"]


def pin(one: Locked) -> str:
    what = f"{one.name} @ {one.url}" if one.url else f"{one.name}=={one.version}"
    return f"{what} ; {one.marker}" if one.marker else what


def with_hashes(one: Locked, own: Locked | None) -> Locked:
    return Locked(one.name, one.version, one.url, one.marker, own.hashes) if own and own.hashes else one


def text(one: Locked) -> str:
    return " \\\n    ".join((pin(one), *(f"--hash={value}" for value in one.hashes)))
