"""The host's own record of activations: one JSON line each, appended, never rewritten. Standard library only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def append(journal: Path, entry: Entry) -> None:
    """Add one line and wait until it is on disk: it decides, after a power loss, whether a release had proved itself."""
    line = json.dumps(entry, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    # One write on a descriptor opened for appending, so that a crash leaves at most one unfinished line, the last.
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.fstat(fd).st_size and not ends_with_newline(journal):
            line = b"\n" + line
        os.write(fd, line)
        os.fsync(fd)
    finally:
        os.close(fd)


def ends_with_newline(journal: Path) -> bool:
    with journal.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read(journal: Path) -> tuple[Entry, ...]:
    """All entries, oldest first. A line that is not JSON is one that a crash cut short: it is passed over."""
    try:
        lines = journal.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return tuple(entries)


def verdicts(entries: tuple[Entry, ...]) -> dict[str, str]:
    """The last word on each release: `serving`, `failed`, or `begun` where an activation was cut off before its verdict."""
    return {str(entry["release"]): str(entry["verdict"]) for entry in entries if "release" in entry and "verdict" in entry}


def served(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """The releases that once served and have not failed since, each once, in the order in which they were deployed.

    Going back to a release does not make it newer: a second rollback goes further back, and not forth again.
    """
    last = verdicts(entries)
    order: dict[str, None] = {}
    for entry in entries:
        release = str(entry.get("release"))
        if entry.get("verdict") == "serving" and (entry.get("action") not in ("rollback", "revert") or release not in order):
            order.pop(release, None)
            order[release] = None
    return tuple(release for release in order if last[release] != "failed")
