"""The working tree: which of its files make a release, what their content is, and where it stands against its commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.bundle import checkout
from raab.deploy.bundle.checkout import Checkout
from raab.errors import RaabError
from raab.project import description, runtime
from raab.project.choice import LOCK, Choice, below, choose
from raab.project.pyproject import is_package
from raab.settings.served import Project

# What a folder without git may well have and no release should: beside the code what was built, wherever it lies environments, others'
# libraries, secrets.
BESIDE = frozenset({"env", "dist", "build"})
NOBODYS = frozenset({"venv", ".venv", "node_modules", ".env"})
# What a clone without Git LFS has in the place of a large file (git-lfs's docs/spec.md).
POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class Input(Struct, frozen=True):
    """One file of a release: the name by which the checkout has it, and where it lies, which behind a link is elsewhere."""

    name: str
    path: Path
    executable: bool


class Tree(Struct, frozen=True):
    """The files that make a release, in a fixed order; `content` is a hash of all of them, by name, mode and bytes, and of what the
    installed raab brings.

    `time` is the commit's, in seconds since the epoch (now for a tree that differs from it). `ignored` are files of the code that the
    release does not have, since git ignores them; `folders` are those of what the service writes.
    """

    project: Project
    choice: Choice
    kind: Literal["wheel", "files"]
    files: tuple[Input, ...]
    content: str
    commit: str
    time: int
    dirty: bool
    ignored: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(one.name for one in self.files)

    @property
    def brings_raab(self) -> bool:
        """Whether raab is the project's own code: then its wheel is what hosts get of it."""
        return bool(self.names & {"raab/__init__.py", "src/raab/__init__.py"})


def look(root: Path) -> Tree:
    """Read the tree at `root`. Raises RaabError for one that is no project, and for files that no release can carry, by their names."""
    project = description.read(root)
    choice = choose(project, project.lock or LOCK)
    known = checkout.look(root)
    listing = Listing(root, known, choice)
    found = tuple(sorted(listing.inputs(), key=lambda one: one.name))
    there = {one.name for one in found}
    needed = (description.FILE, project.lock or LOCK, project.gunicorn, project.wsgi, *project.sources, *project.include)
    missing = [name for name in needed if name and name != "." and name not in there and not any(below(each, (name,)) for each in there)]
    if missing:
        hint = "`fab lock` makes it" if missing[0] == LOCK else f"{description.FILE} names it: mend one of the two"
        raise RaabError(f"bundle: {root} lacks {missing[0]}", hint, exitcodes.BAD_INPUT)
    kind = project.code or ("wheel" if is_package(root) else "files")
    made = Tree(project, choice, kind, found, "", known.commit if known else "", 0, True, listing.ignored(), folders(root, project))
    content = content_hash(found, served_by(made))
    if known is None or not known.commit or listing.differs():
        return replace(made, content=content, time=int(datetime.now(timezone.utc).timestamp()))
    return replace(made, content=content, time=known.time, dirty=False)


def folders(root: Path, project: Project) -> tuple[str, ...]:
    """Those of what the service writes that are folders, by what lies in the project; where nothing does by the slash at the name's end, or
    by its having no ending as files have."""
    found = []
    for said in project.writable:
        name = said.rstrip("/")
        # What a wheel has lies in `src` in many a project.
        there = next((path for path in (root / name, root / "src" / name) if path.exists()), None)
        if there.is_dir() if there else said.endswith("/") or not Path(name).suffix:
            found.append(name)
    return tuple(found)


def served_by(tree: Tree) -> str:
    """What the installed raab brings to a release of it; empty where the project has all of that itself."""
    return "" if tree.brings_raab and tree.project.gunicorn and tree.project.units else runtime.whole_digest()


def content_hash(files: tuple[Input, ...], served_by: str) -> str:
    """Raises RaabError for a file that cannot be read, or that stands for one which is elsewhere."""
    digest = hashlib.sha256(served_by.encode())
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

    def __init__(self, root: Path, known: Checkout | None, choice: Choice) -> None:
        self.root = root
        self.known = known
        self.choice = choice
        self.real = root.resolve()
        # The names of what the release depends on, links and what they lead to included.
        self.touched: set[str] = set()
        # Folders that links have led to.
        self.folders: set[str] = set()

    def inputs(self) -> Iterator[Input]:
        made: set[str] = set()
        for name in (*self.names(), *self.beside()):
            if name not in made:
                made.add(name)
                yield from self.expand(name, name)

    def names(self) -> Iterator[str]:
        """The files that git knows of, or would."""
        for name in self.below(""):
            if name in self.choice.others or self.choice.is_code(name) or below(name, self.choice.units):
                yield name

    def beside(self) -> Iterator[str]:
        """Those that lie there, whatever git says."""
        for name in self.choice.include:
            path = self.root / name
            if path.is_symlink() or path.is_file():
                yield name
            elif path.is_dir():
                yield from (each for each in walk(self.root, name) if not checkout.leftover(each))

    def ignored(self) -> tuple[str, ...]:
        """What lies within the code, and git ignores; without what is nobody's code anyway."""
        if self.known is None:
            return ()
        found = (name for folder in self.choice.code or (".",) for name in self.ignored_below(folder))
        taken = (*self.choice.include, *self.choice.writable, *self.choice.apart)
        return tuple(name for name in found if not nobodys(name) and not below(name.rstrip("/"), taken))

    def ignored_below(self, folder: str) -> tuple[str, ...]:
        return checkout.ignored(self.root, folder) if (self.root / folder).is_dir() else ()

    def below(self, folder: str) -> list[str]:
        """The names of all files below a folder of the tree."""
        prefix = f"{folder}/" if folder else ""
        if self.known is None:
            return [name for name in walk(self.root, folder) if not checkout.leftover(name) and not nobodys(name)]
        for hole in self.known.holes:
            if f"{hole}/".startswith(prefix) and self.choice.is_code(hole):
                problem = f"bundle: a submodule or repository without files, got {hole}"
                raise RaabError(problem, "git submodule update --init", exitcodes.BAD_INPUT)
        return sorted(name for name in self.known.present if name.startswith(prefix) and not checkout.leftover(name))

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
        choice, folders = self.choice, tuple(self.folders)
        wanted = {
            name
            for name in known.committed
            if not checkout.leftover(name)
            and (name in choice.others or choice.is_code(name) or below(name, choice.units) or below(name, folders))
        }
        # What lies beside the code may be built, and git never know it.
        strangers = {name for name in self.touched if name not in known.committed}
        if wanted - self.touched or any(name in known.present or not choice.is_beside(name) for name in strangers):
            return True
        unsure = []
        for name in sorted(self.touched - strangers):
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


def nobodys(name: str) -> bool:
    """Whether a file that no git vouches for is rather none of the code: an environment, somebody else's library, secrets; at the top of
    the project a build, and what is hidden. Within the code a hidden file may well be served, as static/.well-known is."""
    parts = name.rstrip("/").split("/")
    return bool(NOBODYS.intersection(parts)) or parts[0] in BESIDE or parts[0].startswith(".")


def printable(name: str) -> bool:
    return name.isprintable() and "\\" not in name
