"""What a project depends on, by whichever file it says so in: pinned by a lock of its own, or as far as it says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uv
from msgspec import Struct

from raab import exitcodes
from raab.deploy.bundle import lockfile
from raab.deploy.bundle.lockfile import Locked, canonical
from raab.errors import RaabError
from raab.project.pyproject import read_toml


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
    for name, read in READERS.items():
        if (root / name).is_file() and (found := read(root, name)):
            return found
    names = ", ".join(READERS)
    raise RaabError(
        f"{root}: nothing says what the project depends on, wanted one of {names}", "write a requirements.txt", exitcodes.BAD_INPUT
    )


def uv_lock(root: Path, name: str) -> Wanted:
    """As uv itself exports it, without the groups for development."""
    words = (
        "export",
        "--frozen",
        "--no-dev",
        "--no-emit-workspace",
        "--no-header",
        "--no-annotate",
        "--format",
        "requirements-txt",
        "--quiet",
    )
    done = subprocess.run((uv.find_uv_bin(), *words), cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RaabError(f"{name}: uv cannot export it, got: {done.stderr.strip()[-1000:]}", "`uv lock` makes it anew", exitcodes.BAD_INPUT)
    return Wanted(name, tuple(lockfile.entry(f"{name}:{number}", line) for number, line in lockfile.logical(done.stdout)))


def poetry_lock(root: Path, name: str) -> Wanted:
    """Its versions are bounds for the project's own requirements: what only development needs, and on which platform, it does not tell in
    the same way in each of its versions."""
    locked = tuple(
        Locked(canonical(one["name"]), one["version"], "", "", hashes(file["hash"] for file in one.get("files", ())))
        for one in read_toml(root / name).get("package", ())
        if one.get("source", {}).get("type", "legacy") == "legacy"
    )
    about = read_toml(root / "pyproject.toml")
    own = about.get("tool", {}).get("poetry", {}).get("dependencies", {})
    loose = [*about.get("project", {}).get("dependencies", ())]
    loose += [spelt(key, value) for key, value in own.items() if key != "python" and not optional(value)]
    return Wanted(name, loose=tuple(loose), within=locked)


def optional(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("optional"))


def spelt(name: str, value: Any) -> str:
    """A dependency as poetry has it, without its version, which the lock has."""
    extras = value.get("extras", ()) if isinstance(value, dict) else ()
    marker = value.get("markers", "") if isinstance(value, dict) else ""
    return f"{name}[{','.join(extras)}]" * bool(extras) or name + (f" ; {marker}" if marker else "")


def pipfile_lock(root: Path, name: str) -> Wanted:
    try:
        told = json.loads((root / name).read_bytes())["default"]
        found = [
            Locked(canonical(key), one["version"].removeprefix("=="), "", one.get("markers", ""), hashes(one.get("hashes", ())))
            for key, one in told.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RaabError(f"{name}: cannot be read, got {error!r}", "`pipenv lock` makes it anew", exitcodes.BAD_INPUT) from error
    return Wanted(name, tuple(found))


def pylock(root: Path, name: str) -> Wanted:
    """PEP 751."""
    found = []
    for one in read_toml(root / name).get("packages", ()):
        files = (*one.get("wheels", ()), *filter(None, (one.get("sdist"), one.get("archive"))))
        found.append(
            Locked(
                canonical(one["name"]),
                one.get("version", ""),
                "",
                one.get("marker", ""),
                hashes(file["hashes"]["sha256"] for file in files),
            )
        )
    return Wanted(name, tuple(found))


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
        elif not line.startswith("-"):
            loose.append(line)
    return Wanted(name, loose=tuple(loose), options=options)


def declared(root: Path, name: str) -> Wanted | None:
    about = read_toml(root / name).get("project")
    return Wanted(name, loose=tuple(about.get("dependencies", ()))) if about else None


def hashes(found: Iterator[str] | Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one if ":" in one else f"sha256:{one}" for one in found))


READERS: dict[str, Callable[[Path, str], Wanted | None]] = {
    "uv.lock": uv_lock,
    "poetry.lock": poetry_lock,
    "Pipfile.lock": pipfile_lock,
    "pylock.toml": pylock,
    "requirements.lock": requirements,
    "requirements.txt": requirements,
    "pyproject.toml": declared,
}
