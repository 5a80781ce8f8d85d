"""What was installed, noted file by file: a release is complete and never edited afterwards, and this tells whether that holds.

Size, time, inode and mode tell of every change that goes by the file system's ordinary ways, at the price of a look at each name. The
hashes tell of all others. Links made to a file later change none of the four.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SEAL = "seal.json"


class Noted(NamedTuple):
    """One file; `sha256` is empty while it was not read. A link is known by its target alone, and the rest of it is 0."""

    sha256: str
    size: int
    time: int
    inode: int
    mode: int
    target: str = ""


def look(root: str, below: str = "") -> Iterator[tuple[str, Noted]]:
    """Every file and link of a tree, by its path in it."""
    with os.scandir(f"{root}/{below}" if below else root) as entries:
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                yield from look(root, name)
            elif stat.S_ISLNK(found.st_mode):
                yield name, Noted("", 0, 0, 0, 0, os.readlink(entry.path))  # noqa: PTH115
            else:
                yield name, Noted("", found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode)


def make(root: Path, known: Mapping[str, Noted], without: Collection[str] = (SEAL,)) -> dict[str, Noted]:
    """What there is now, with hashes. Those of files that stand in `known` just as they are now are taken from there."""
    made = {}
    for name, found in look(str(root)):
        if name not in without:
            before = known.get(name)
            same = before is not None and before[1:] == found[1:]
            made[name] = before if before and same else found if found.target else found._replace(sha256=digest(root / name))
    return made


def write(root: Path, noted: Mapping[str, Noted]) -> None:
    (root / SEAL).write_text(json.dumps(noted))


def read(root: Path) -> dict[str, Noted]:
    """Empty where there is none, or one that cannot be read."""
    try:
        told: dict[str, Any] = json.loads((root / SEAL).read_bytes())
        return {name: Noted(*values) for name, values in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def damage(root: Path, without: Collection[str] = (SEAL,), closely: bool = False) -> list[str]:
    """What is not as it was installed, a line each: lost, changed, or there and should not be. `closely`: by the
    content of each file, too."""
    noted = read(root)
    if not noted:
        return [f"{root.name}: nothing tells what was installed"]
    there = {name: found for name, found in look(str(root)) if name not in without}
    lines = [f"{name} is lost" for name in noted.keys() - there.keys()]
    for name, found in there.items():
        if name not in noted:
            lines.append(f"{name} is there and should not be")
        elif noted[name][1:] != found[1:] or (closely and not found.target and digest(root / name) != noted[name].sha256):
            lines.append(f"{name} was changed")
    return sorted(lines)


def unchanged(file: str, noted: Noted | None) -> bool:
    """Whether a file is there as it was noted."""
    try:
        found = os.lstat(file)
    except OSError:
        return False
    return noted is not None and noted[1:5] == (found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
