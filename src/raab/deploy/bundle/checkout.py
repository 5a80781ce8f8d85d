"""What git knows of a folder. Its files are compared with the commit itself: an index can be damaged, stale, or told to look away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from msgspec import Struct

from raab import exitcodes
from raab.errors import RaabError

# Those that lead git to another repository (git-rev-parse(1), --local-env-vars): a hook that deploys has them set.
MISLEADING = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR",
    "GIT_PREFIX", "GIT_NAMESPACE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE",
)  # fmt: skip
LINK = "120000"
EXECUTABLE = "100755"
# What tools leave beside sources: no file of anybody's.
LEFTOVERS = frozenset({"__pycache__", ".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"})


class Entry(Struct, frozen=True):
    """A file of a commit: its mode and its blob's name, as `git ls-tree` writes them."""

    mode: str
    blob: str


class Checkout(Struct, frozen=True):
    """`committed` are the files of HEAD, `present` those that git tracks or would add, each by its name below the folder; `holes` are
    submodules that have not been checked out. `time` in seconds since the epoch; commit and time are empty before the first commit."""

    commit: str
    time: int
    committed: dict[str, Entry]
    present: frozenset[str]
    holes: tuple[str, ...] = ()


def look(folder: Path) -> Checkout | None:
    """Ask git about a folder and the repositories in it; None where it knows nothing of it, or is not installed.

    Raises RaabError with git's own words where there is a repository that it cannot read.
    """
    if not known(folder):
        return None
    commit, time = head(folder)
    committed = dict(entries(ask(folder, "ls-tree", "-r", "-z", "HEAD"))) if commit else {}
    listed = names(ask(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")) | committed.keys()
    # An unpacked sdist may lie inside somebody's repository, which has rules of its own and no file of it.
    if not (folder / ".git").exists() and not committed and not ask(folder, "ls-files", "-z", "--cached"):
        return None
    present, holes = set(), []
    for name in sorted(listed):
        place = folder / name
        if place.is_symlink() or place.is_file():
            present.add(name)
        elif place.is_dir():
            inner = look(place) if (place / ".git").exists() else None
            if inner is None:
                holes.append(name.rstrip("/"))
                continue
            prefix = name.rstrip("/") + "/"
            present |= {prefix + each for each in inner.present}
            holes += [prefix + each for each in inner.holes]
            pinned = committed.pop(name, None)
            if pinned and pinned.blob == inner.commit:
                committed |= {prefix + each: entry for each, entry in inner.committed.items()}
    return Checkout(commit, time, committed, frozenset(present), tuple(holes))


def known(folder: Path) -> bool:
    """Whether the folder lies in a repository's working tree."""
    try:
        done = git(folder, "rev-parse", "--is-inside-work-tree")
    except FileNotFoundError:
        return False
    if done.returncode and ((folder / ".git").exists() or b"not a git repository" not in done.stderr):
        raise unreadable(folder, done.stderr)
    return done.returncode == 0 and done.stdout.strip() == b"true"


def head(folder: Path) -> tuple[str, int]:
    """The commit and its time; nothing before the first one."""
    done = git(folder, "log", "-1", "--no-show-signature", "--format=%H %ct")
    if done.returncode and b"does not have any commits yet" in done.stderr:
        return "", 0
    if done.returncode:
        raise unreadable(folder, done.stderr)
    commit, _, seconds = done.stdout.decode().strip().partition(" ")
    return commit, int(seconds)


def ignored(folder: Path, below: str) -> tuple[str, ...]:
    """The files and whole folders below one that git ignores, without what tools leave there."""
    found = ask(folder, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--", below)
    return tuple(sorted(name for name in names(found) if not leftover(name)))


def leftover(name: str) -> bool:
    """Whether a file is what a tool has left, by its name."""
    parts = name.rstrip("/").split("/")
    return bool(LEFTOVERS.intersection(parts)) or parts[-1].endswith((".pyc", ".pyo")) or any(one.endswith(".egg-info") for one in parts)


def filtered(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The blob that git would make of each file, by the filters that its attributes name."""
    done = git(folder, "hash-object", "--stdin-paths", stdin="\n".join(names).encode(errors="surrogateescape"))
    return tuple(done.stdout.decode().split()) if done.returncode == 0 else ("",) * len(names)


def trusts_modes(folder: Path) -> bool:
    """Whether the file system can tell which files can be run (git-config(1), core.fileMode)."""
    return git(folder, "config", "--type=bool", "core.fileMode").stdout.strip() != b"false"


def titles(folder: Path, since: str, until: str) -> tuple[str, ...]:
    """The commits from one to another, each by short hash and title, newest first; none where git does not know both."""
    if not since or not until:
        return ()
    try:
        done = git(folder, "log", "--no-show-signature", "--format=%h %s", f"{since}..{until}", "--")
    except FileNotFoundError:
        return ()
    return tuple(done.stdout.decode(errors="replace").splitlines()) if done.returncode == 0 else ()


def entries(text: bytes) -> list[tuple[str, Entry]]:
    """The lines of `git ls-tree -r -z`: mode, type, blob, a tab, the name."""
    found = []
    for line in filter(None, text.split(b"\0")):
        about, _, name = line.partition(b"\t")
        mode, _, blob = about.decode().split(" ")
        found.append((os.fsdecode(name), Entry(mode, blob)))
    return found


def names(text: bytes) -> set[str]:
    return {os.fsdecode(name) for name in text.split(b"\0") if name}


def ask(folder: Path, *words: str) -> bytes:
    done = git(folder, *words)
    if done.returncode:
        raise unreadable(folder, done.stderr)
    return done.stdout


def git(folder: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {key: value for key, value in os.environ.items() if key not in MISLEADING}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    return subprocess.run(("git", *words), cwd=folder, input=stdin, capture_output=True, env=environment, check=False)


def unreadable(folder: Path, stderr: bytes) -> RaabError:
    said = " ".join(stderr.decode(errors="replace").split()).removeprefix("fatal: ")[:300]
    hint = "`git status` there says the same; mend the repository, or deploy from a new clone"
    return RaabError(f"git: {folder} cannot be read, got: {said}", hint, exitcodes.BAD_INPUT)
