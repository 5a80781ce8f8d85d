"""The locks of other tools, by their own words: what they pin, with the hashes that they have.

What none of them has a hash for, such as a repository or a folder, is refused: nobody could say what a host gets.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uv
from msgspec import Struct

from raab import exitcodes
from raab.deploy.bundle import lockfile
from raab.deploy.bundle.lockfile import Locked, canonical
from raab.errors import RaabError
from raab.project.pyproject import read_toml

T = TypeVar("T")
EXPORT = ("export", "--frozen", "--no-dev", "--no-emit-project", "--format", "requirements-txt")
# Those that a lock may have (raab.deploy.bundle.lockfile).
HASHES = ("sha256", "sha384", "sha512")


def shared(root: Path) -> str:
    """The uv.lock of the workspace that a project is a member of (docs.astral.sh, workspaces), as a path from there; empty for one that has
    its own, or none."""
    root = root.resolve()
    if (root / "uv.lock").is_file():
        return ""
    for folder in root.parents:
        if (folder / "uv.lock").is_file():
            said = read_toml(folder / "pyproject.toml").get("tool", {}).get("uv", {}).get("workspace", {})
            members, others = ({path for one in said.get(key, ()) for path in folder.glob(one)} for key in ("members", "exclude"))
            if root in members - others:
                return os.path.relpath(folder / "uv.lock", root)
    return ""


def of_uv(root: Path, name: str) -> tuple[Locked, ...]:
    """As uv itself exports it, without the groups for development. Members of a workspace that lie in the project are its own code."""
    words = (*EXPORT, "--no-header", "--no-annotate", "--quiet")
    done = subprocess.run((uv.find_uv_bin(), *words), cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RaabError(f"{name}: uv cannot export it, got: {done.stderr.strip()[-1000:]}", "`uv lock` makes it anew", exitcodes.BAD_INPUT)
    found = []
    for _, line in lockfile.logical(done.stdout):
        editable = line.partition(";")[0].removeprefix("-e ").strip() if line.startswith("-e ") else ""
        if not editable:
            found.append(lockfile.entry(name, line))
        elif not (root / name).parent.joinpath(editable).resolve().is_relative_to(root.resolve()):
            problem = f"{name}: the project needs a member of the workspace that lies outside of it, got {editable}"
            raise RaabError(problem, "have it from an index, or in the project's folder", exitcodes.BAD_INPUT)
    return tuple(found)


# An index, and an address: the kinds of sources that poetry has hashes for.
VOUCHED = ("legacy", "url")


class PoetrySource(Struct, frozen=True):
    type: str = "legacy"
    url: str = ""


class PoetryFile(Struct, frozen=True):
    hash: str


class PoetryPackage(Struct, frozen=True):
    """`groups` since Poetry 2, `category` before 1.5; what says neither may be the service's. `markers` by group where they differ."""

    name: str
    version: str
    files: tuple[PoetryFile, ...] = ()
    source: PoetrySource = PoetrySource()
    groups: tuple[str, ...] = ("main",)
    category: str = "main"
    markers: str | dict[str, str] = ""

    @property
    def address(self) -> str:
        return self.source.url if self.source.type == "url" else ""

    @property
    def marker(self) -> str:
        return self.markers if isinstance(self.markers, str) else self.markers.get("main", "")


class PoetryLock(Struct, frozen=True):
    package: tuple[PoetryPackage, ...] = ()


def of_poetry(root: Path, name: str) -> tuple[Locked, ...]:
    """All of it, what only development needs, too. Raises RaabError for what the service would need that no hash vouches for."""
    packages = converted(read_toml(root / name), PoetryLock, name, "poetry lock").package
    for one in packages:
        if one.source.type not in VOUCHED and "main" in one.groups and one.category == "main":
            raise unvouched(name, one.name, one.source.url)
    return tuple(
        locked(name, one.name, one.version, one.address, one.marker, (file.hash for file in one.files), "")
        for one in packages
        if one.source.type in VOUCHED
    )


class PipfilePackage(Struct, frozen=True):
    """`file` is an address."""

    version: str = ""
    hashes: tuple[str, ...] = ()
    markers: str = ""
    file: str = ""
    path: str = ""
    git: str = ""


class PipfileLock(Struct, frozen=True):
    default: dict[str, PipfilePackage]


def of_pipenv(root: Path, name: str) -> tuple[Locked, ...]:
    try:
        told = json.loads((root / name).read_bytes())
    except (OSError, ValueError) as error:
        raise RaabError(f"{name}: cannot be read, got: {error}", "`pipenv lock` makes it anew", exitcodes.BAD_INPUT) from error
    packages = converted(told, PipfileLock, name, "pipenv lock").default
    return tuple(
        locked(name, key, one.version.removeprefix("=="), one.file, one.markers, one.hashes, one.path or one.git)
        for key, one in packages.items()
    )


class PylockFile(Struct, frozen=True):
    hashes: dict[str, str]
    url: str = ""
    path: str = ""


class PylockPackage(Struct, frozen=True):
    name: str
    version: str = ""
    marker: str = ""
    wheels: tuple[PylockFile, ...] = ()
    sdist: PylockFile | None = None
    archive: PylockFile | None = None
    vcs: dict[str, Any] | None = None
    directory: dict[str, Any] | None = None


class Pylock(Struct, frozen=True):
    packages: tuple[PylockPackage, ...]


def of_standard(root: Path, name: str) -> tuple[Locked, ...]:
    """pylock.toml (PEP 751)."""
    found = []
    for one in converted(read_toml(root / name), Pylock, name, "the tool that made it").packages:
        files = [*one.wheels, *filter(None, (one.sdist, one.archive))]
        hashes = unique(f"{kind}:{value}" for file in files for kind, value in file.hashes.items() if kind in HASHES)
        elsewhere = one.vcs or one.directory or {}
        place = str(elsewhere.get("url") or elsewhere.get("path") or (one.archive and one.archive.path) or "")
        found.append(locked(name, one.name, one.version, one.archive.url if one.archive else "", one.marker, hashes, place))
    return tuple(found)


def locked(file: str, name: str, version: str, url: str, marker: str, hashes: Iterable[str], elsewhere: str) -> Locked:
    """One dependency: at an address, whose content then decides, or from an index. `elsewhere` is where it comes from but for these two."""
    if elsewhere or not (url or version):
        raise unvouched(file, name, elsewhere or "no version")
    return Locked(canonical(name), "" if url else version, url, marker, unique(hashes))


def unvouched(file: str, name: str, place: str) -> RaabError:
    problem = f"{file}: {name} comes from a place whose content no hash can vouch for, got {lockfile.masked(place)}"
    return RaabError(problem, lockfile.VOUCHED, exitcodes.BAD_INPUT)


def converted(told: Any, kind: type[T], name: str, maker: str) -> T:
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise RaabError(f"{name}: cannot be read, got: {error}", f"`{maker}` makes it anew", exitcodes.BAD_INPUT) from error


def unique(hashes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hashes))
