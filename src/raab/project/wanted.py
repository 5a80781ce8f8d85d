"""What a project depends on, by whichever file it says so in: pinned by a lock of its own, or as far as it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from raab import exitcodes
from raab.deploy.bundle import lockfile
from raab.deploy.bundle.lockfile import Locked
from raab.errors import RaabError
from raab.project import locks
from raab.project.poetry import optional, spelt
from raab.project.pyproject import read_toml

# The project itself, with extras of it (pip.pypa.io, requirements file format).
ITSELF = re.compile(r"(?:-e\s+|--editable[\s=])?\s*\.(?:\[([^\]]*)\])?")


class Wanted(Struct, frozen=True):
    """`pins` are what the lock in `file` says, with the hashes that it has; `loose` are requirements (PEP 508) that no lock pins. `within`
    are bounds for what the loose ones lead to. `options` are pip's words of where to look, as they stand in the file."""

    file: str
    pins: tuple[Locked, ...] = ()
    loose: tuple[str, ...] = ()
    within: tuple[Locked, ...] = ()
    options: tuple[str, ...] = ()


def find(root: Path) -> Wanted:
    """The first of the files below that is there. Raises RaabError for one that cannot be read, and where there is none."""
    readers = {locks.shared(root) or "uv.lock": pinned(locks.of_uv), **READERS}
    for name, read in readers.items():
        if (root / name).is_file() and (found := read(root, name)):
            return found
    names = ", ".join(READERS)
    raise RaabError(
        f"{root}: nothing says what the project depends on, wanted one of {names}", "write a requirements.txt", exitcodes.BAD_INPUT
    )


def poetry_lock(root: Path, name: str) -> Wanted:
    """Its versions are bounds for the project's own requirements: what only development needs, and on which platform, it does not tell in
    the same way in each of its versions."""
    about = read_toml(root / "pyproject.toml")
    own = about.get("tool", {}).get("poetry", {}).get("dependencies", {})
    loose = [*about.get("project", {}).get("dependencies", ())]
    loose += [spelt(key, value) for key, value in own.items() if key != "python" and not optional(value)]
    return Wanted(name, loose=tuple(loose), within=locks.of_poetry(root, name))


def requirements(root: Path, name: str) -> Wanted | None:
    """Pinned and hashed, it is a lock; else what it says is resolved."""
    text = lockfile.text_of(root / name)
    options = tuple(line.strip() for line in text.splitlines() if lockfile.names_a_place(line))
    if "--hash" in text:
        return Wanted(name, lockfile.read(root / name).locked, options=options)
    loose: list[str] = []
    for _, line in lockfile.logical(text):
        if line.startswith(("-r ", "--requirement ")):
            more = requirements(root, str(Path(name).parent / line.split(maxsplit=1)[1]))
            loose += more.loose if more else ()
        elif own := ITSELF.fullmatch(line):
            loose += its_own(root, name, re.findall(r"[\w.-]+", own[1] or ""))
        elif not line.startswith("-"):
            loose.append(line)
    return Wanted(name, loose=tuple(loose), options=options)


def its_own(root: Path, name: str, extras: Iterable[str]) -> list[str]:
    """What the project itself depends on, and what is wanted for extras of it, as its pyproject.toml says. `name` is the file that asks."""
    about = read_toml(root / "pyproject.toml").get("project", {})
    offered = {lockfile.canonical(extra): lines for extra, lines in about.get("optional-dependencies", {}).items()}
    found = list(about.get("dependencies", ()))
    for extra in map(lockfile.canonical, extras):
        if extra not in offered:
            problem = f"{name}: the project has no such extra in pyproject.toml, got {extra}"
            raise RaabError(problem, f"it has {', '.join(offered) or 'none'}", exitcodes.BAD_INPUT)
        found += offered[extra]
    return found


def declared(root: Path, name: str) -> Wanted | None:
    about = read_toml(root / name).get("project")
    return Wanted(name, loose=tuple(about.get("dependencies", ()))) if about else None


def pinned(read: Callable[[Path, str], tuple[Locked, ...]]) -> Callable[[Path, str], Wanted]:
    """For a lock that says all of it."""
    return lambda root, name: Wanted(name, read(root, name))


READERS: dict[str, Callable[[Path, str], Wanted | None]] = {
    "uv.lock": pinned(locks.of_uv),
    "poetry.lock": poetry_lock,
    "Pipfile.lock": pinned(locks.of_pipenv),
    "pylock.toml": pinned(locks.of_standard),
    "requirements.lock": requirements,
    "requirements.txt": requirements,
    "pyproject.toml": declared,
}
