"""The working tree: which of its files make a release, what their content is, and where it stands against its commit."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct

from raab.deploy import exitcodes
from raab.errors import RaabError

SINGLE_INPUTS = ("setup.py", "pyproject.toml", "requirements.lock", "wsgi.py", "gunicorn.py")
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache"}


class Origin(Struct, frozen=True):
    """Where the tree stands: commit, its time in seconds since the epoch (now for a tree that differs from it), and whether it differs."""

    commit: str
    commit_time: int
    dirty: bool


def inputs(root: Path) -> tuple[Path, ...]:
    """The files whose content makes a release, in a fixed order."""
    missing = [name for name in SINGLE_INPUTS if not (root / name).is_file()]
    if missing:
        raise RaabError(f"bundle: {root} lacks {missing[0]}", "deploy from the root of a raab project", exitcodes.BAD_INPUT)
    trees = [path for folder in ("src", "systemd") for path in (root / folder).rglob("*")]
    wanted = [path for path in trees if path.is_file() and not LEFT_OUT & set(path.parts) and ".egg-info" not in str(path)]
    return tuple(sorted([root / name for name in SINGLE_INPUTS] + wanted))


def content_hash(root: Path, files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        executable = bool(path.stat().st_mode & 0o100)
        line = f"{path.relative_to(root)}\0{executable}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def ask_git(root: Path, files: tuple[Path, ...]) -> Origin:
    """Compare the inputs with the commit. Without git, or for files that it does not know, the tree counts as dirty."""
    names = [*SINGLE_INPUTS, "src", "systemd"]
    head = git(root, "log", "-1", "--format=%H %ct")
    changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", *names)
    commit, _, seconds = head.partition(" ")
    if not commit or changed is None or changed:
        return Origin(commit or "", int(datetime.now(timezone.utc).timestamp()), dirty=True)
    return Origin(commit, int(seconds), dirty=False)


def titles(root: Path, since: str, until: str) -> tuple[str, ...]:
    """The commits from one to another, each by short hash and title, newest first; none where git does not know both."""
    if not since or not until:
        return ()
    return tuple(git(root, "log", "--format=%h %s", f"{since}..{until}").splitlines())


def git(root: Path, *words: str) -> str:
    """What git says; nothing where it cannot say anything, which its callers take for the worst."""
    try:
        done = subprocess.run(("git", *words), cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
