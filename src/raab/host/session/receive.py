"""Take parts from the deployer into the host's cache, each under its SHA-256. Standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Protocol

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.protocol.requests import Part

BLOCK = 1 << 16
# Bytes that stay free on a host's disk.
SPARE = 16 << 20


class Source(Protocol):
    """Where the parts' bytes come from."""

    def read(self, size: int, /) -> bytes: ...


def receive(paths: Paths, source: Source, parts: tuple[Part, ...]) -> int:
    """Read the parts' bytes, one after another, into the cache; return how many.

    Raises RaabError for wrong or missing bytes, and before anything is written where there is no room for them.
    """
    paths.cache.mkdir(parents=True, exist_ok=True)
    for leftover in paths.cache.glob("*.part"):
        shutil.rmtree(leftover)
    for part in parts:
        room(paths.cache, part.size, part.name)
        receive_one(paths, source, part)
    return sum(part.size for part in parts)


def room(folder: Path, size: int, what: str) -> None:
    """Raises RaabError unless so many bytes can be written there, with something left for everybody else."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if size + SPARE > free:
        raise RaabError(
            f"stage: no room for {what}, got {free} bytes free for {size}", "make room on the host's disk, then deploy again", 5
        )


def receive_one(paths: Paths, source: Source, part: Part) -> None:
    home = paths.cache / f"{part.sha256}.part"
    home.mkdir()
    digest = hashlib.sha256()
    left = part.size
    with (home / part.name).open("xb") as file:
        while left:
            block = source.read(min(left, BLOCK))
            if not block:
                raise RaabError(
                    f"stage: the connection ended within {part.name}, got {part.size - left} of {part.size} bytes", "deploy again"
                )
            digest.update(block)
            file.write(block)
            left -= len(block)
    if digest.hexdigest() != part.sha256:
        shutil.rmtree(home)
        raise RaabError(
            f"stage: {part.name} does not have the SHA-256 that was announced, got {digest.hexdigest()}",
            "build the bundle again: remove build/raab and deploy",
        )
    # A directory of that hash may be there already when two parts of one deploy are the same file.
    if cached(paths, part.sha256) is None:
        home.rename(paths.cache / part.sha256)
    else:
        shutil.rmtree(home)


def cached(paths: Paths, sha256: str) -> Path | None:
    """The cached file with this hash. What lies there was verified when it came; root alone can write it."""
    try:
        with os.scandir(paths.cache / sha256) as entries:
            return next((Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)), None)
    except FileNotFoundError:
        return None
