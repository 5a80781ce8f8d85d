"""The working tree: which of its files make a release, what their content is, and where it stands against its commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct

from raab import exitcodes
from raab.deploy.bundle import checkout
from raab.deploy.bundle.checkout import Checkout
from raab.errors import RaabError

SINGLE_INPUTS = ("setup.py", "pyproject.toml", "requirements.lock", "wsgi.py", "gunicorn.py")
OPTIONAL_INPUTS = ("MANIFEST.in",)
FOLDERS = ("src", "systemd")
# What a clone without Git LFS has in the place of a large file (git-lfs's docs/spec.md).
POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class Input(Struct, frozen=True):
    """One file of a release: the name by which the checkout has it, and where it lies, which behind a link is elsewhere."""

    name: str
    path: Path
    executable: bool


class Tree(Struct, frozen=True):
    """The files that make a release, in a fixed order; `content` is a hash of all of them, by name, mode and bytes.

    `time` is the commit's, in seconds since the epoch (now for a tree that differs from it). `ignored` are files below src that the release
    does not have, since git ignores them.
    """

    files: tuple[Input, ...]
    content: str
    commit: str
    time: int
    dirty: bool
    ignored: tuple[str, ...] = ()


def look(root: Path) -> Tree:
    """Read the tree at `root`. Raises RaabError for one that is no project, and for files that no release can carry, by their names."""
    known = checkout.look(root)
    listing = Listing(root, known)
    found = tuple(sorted(listing.inputs(), key=lambda one: one.name))
    there = {one.name for one in found}
    missing = [name for name in SINGLE_INPUTS if name not in there]
    if missing:
        raise RaabError(f"bundle: {root} lacks {missing[0]}", "deploy from the root of a raab project", exitcodes.BAD_INPUT)
    content = content_hash(found)
    ignored = checkout.ignored(root, "src") if known else ()
    if known is None or not known.commit or listing.differs():
        now = int(datetime.now(timezone.utc).timestamp())
        return Tree(found, content, known.commit if known else "", now, dirty=True, ignored=ignored)
    return Tree(found, content, known.commit, known.time, dirty=False, ignored=ignored)


def content_hash(files: tuple[Input, ...]) -> str:
    """Raises RaabError for a file that cannot be read, or that stands for one which is elsewhere."""
    digest = hashlib.sha256()
    for one in files:
        try:
            content = one.path.read_bytes()
        except OSError as error:
            raise RaabError(f"bundle: {one.name} cannot be read, got: {error.strerror}", "mend it", exitcodes.BAD_INPUT) from error
        if content.startswith(POINTER):
            problem = f"bundle: a file that Git LFS has not fetched, got the pointer {one.name}"
            raise RaabError(problem, "git lfs pull", exitcodes.BAD_INPUT)
        digest.update(f"{one.name}\0{one.executable}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


class Listing:
    """The files that are there: those that git tracks or would add; without git all but what tools leave."""

    def __init__(self, root: Path, known: Checkout | None) -> None:
        self.root = root
        self.known = known
        self.real = root.resolve()
        # The names of what the release depends on, links and what they lead to included.
        self.touched: set[str] = set()
        self.folders = set(FOLDERS)

    def inputs(self) -> Iterator[Input]:
        for name in (*SINGLE_INPUTS, *OPTIONAL_INPUTS, *FOLDERS):
            path = self.root / name
            if path.is_symlink() or path.is_file():
                yield from self.expand(name, name)
            elif path.is_dir():
                for each in self.below(name):
                    yield from self.expand(each, each)

    def below(self, folder: str) -> list[str]:
        """The names of all files below a folder of the tree."""
        if self.known is None:
            return [name for name in walk(self.root, folder) if not checkout.leftover(name)]
        for hole in self.known.holes:
            if f"{hole}/".startswith(f"{folder}/"):
                problem = f"bundle: a submodule or repository without files, got {hole}"
                raise RaabError(problem, "git submodule update --init", exitcodes.BAD_INPUT)
        return sorted(name for name in self.known.present if name.startswith(f"{folder}/") and not checkout.leftover(name))

    def expand(self, name: str, place: str, behind: tuple[str, ...] = ()) -> Iterator[Input]:
        """The file at `place`, under the name that the checkout shows it by; behind a link to a folder all the files there.

        `behind` are the folders that links have led through on the way to it.
        """
        self.touched.add(place)
        path = self.root / place
        if not printable(name):
            raise RaabError(f"bundle: a file name that no wheel carries, got {name!a}", "rename it", exitcodes.BAD_INPUT)
        if not path.is_symlink():
            yield Input(name, path, self.runs(place))
            return
        if not path.exists():
            raise RaabError(f"bundle: a link that leads nowhere, got {name}", "mend or remove it", exitcodes.BAD_INPUT)
        target = path.resolve()
        if not target.is_relative_to(self.real):
            hint = "bring what it leads to into the project: what lies outside is in no commit"
            raise RaabError(f"bundle: a link that leads out of the project, got {name} -> {target}", hint, exitcodes.BAD_INPUT)
        real = str(target.relative_to(self.real))
        if target.is_file():
            self.touched.add(real)
            yield Input(name, target, self.runs(real))
            return
        if path.parent.resolve().is_relative_to(target) or real in behind:
            raise RaabError(f"bundle: a link that leads to a folder it lies in, got {name}", "remove it", exitcodes.BAD_INPUT)
        self.folders.add(real)
        for each in self.below(real):
            yield from self.expand(name + each.removeprefix(real), each, (*behind, real))

    def runs(self, place: str) -> bool:
        """Whether a file can be run; by the commit's word on a file system that cannot tell."""
        runs = bool((self.root / place).stat().st_mode & 0o100)
        entry = self.known.committed.get(place) if self.known else None
        if entry is None or runs == (entry.mode == checkout.EXECUTABLE):
            return runs
        return runs if checkout.trusts_modes(self.root) else not runs

    def differs(self) -> bool:
        """Whether anything that the release depends on is not what the commit has."""
        known = self.known
        assert known is not None
        wanted = {
            name
            for name in known.committed
            if name in (*SINGLE_INPUTS, *OPTIONAL_INPUTS)
            or any(name.startswith(f"{folder}/") and not checkout.leftover(name) for folder in self.folders)
        }
        if wanted - self.touched or any(name not in known.committed for name in self.touched):
            return True
        unsure = []
        for name in sorted(self.touched):
            entry, path = known.committed[name], self.root / name
            if path.is_symlink():
                if entry.mode != checkout.LINK or entry.blob != blob(os.fsencode(path.readlink()), entry.blob):
                    return True
                continue
            content = path.read_bytes()
            if self.runs(name) != (entry.mode == checkout.EXECUTABLE):
                return True
            if blob(content, entry.blob) == entry.blob:
                continue
            # Other line ends than the commit's would make another release of it than on other machines.
            if blob(content.replace(b"\r\n", b"\n"), entry.blob) == entry.blob:
                return True
            unsure.append(name)
        made = checkout.filtered(self.root, tuple(unsure)) if unsure else ()
        return any(known.committed[name].blob != blob for name, blob in zip(unsure, made, strict=True))


def blob(content: bytes, like: str) -> str:
    """The name that git gives to a file of this content, by the hash function of another name (gitformat-pack(5), object names)."""
    whole = b"blob %d\0" % len(content) + content
    return (hashlib.sha256(whole) if len(like) == 64 else hashlib.sha1(whole, usedforsecurity=False)).hexdigest()


def walk(root: Path, folder: str) -> Iterator[str]:
    """The names of all files and links below a folder."""
    for place, folders, files in os.walk(root / folder):
        here = Path(place)
        for name in [*files, *(name for name in folders if (here / name).is_symlink())]:
            yield str((here / name).relative_to(root))
        folders[:] = [name for name in folders if not checkout.leftover(name)]


def printable(name: str) -> bool:
    return name.isprintable() and "\\" not in name
