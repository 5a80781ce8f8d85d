"""The host's own record of activations: one JSON line each, appended, never rewritten. Standard library only."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raab.protocol import service

Entry = dict[str, Any]
TEXT, NUMBER, ANY = (str,), (int, float), (str, int, float, bool, list, dict, type(None))
# What a field has to be, where it is there.
KINDS: dict[str, tuple[type, ...]] = {
    "time": NUMBER, "seconds": NUMBER, "from": (str, type(None)), "drill": (bool,),
    **dict.fromkeys(("release", "action", "verdict", "who", "machine", "version", "commit", "reason"), TEXT),
}  # fmt: skip
# The end of the calendar that people use, in seconds since the epoch.
LAST = 253_402_300_800
# The actions of going back to what served before.
BACK = ("rollback", "revert")


def append(journal: Path, entry: Entry) -> None:
    """Add one line and wait until it is on disk: it decides, after a power loss, whether a release had proved itself."""
    line = json.dumps(entry, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    # One write on a descriptor opened for appending, so that a crash leaves at most one unfinished line, the last.
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.fstat(fd).st_size and not ends_with_newline(journal):
            line = b"\n" + line
        if os.write(fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(journal))
        os.fsync(fd)
    finally:
        os.close(fd)


def ends_with_newline(journal: Path) -> bool:
    with journal.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read(journal: Path) -> tuple[Entry, ...]:
    """All entries, oldest first. A line that is none is one that a crash or an editor left: it is passed over."""
    try:
        lines = journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    return tuple(entry for entry in map(entry_of, lines) if entry is not None)


def entry_of(line: bytes) -> Entry | None:
    """The entry that a line is; None for a line that is none. Fields that nobody knows are let through."""
    try:
        entry = json.loads(line)
        sound = type(entry) is dict and all(type(value) in KINDS.get(key, ANY) for key, value in entry.items())
        # What is no number or no text to others is none here: NaN, half of a surrogate pair.
        json.dumps(entry, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return entry if sound and 0 <= entry.get("time", 0) < LAST and 0 <= entry.get("seconds", 0) < LAST else None


def told(entry: Entry) -> service.Entry:
    """As people are told of it."""
    fields = {"before" if name == "from" else name: value for name, value in entry.items()}
    return service.Entry(**{name: fields[name] for name in service.Entry._fields if name in fields})


def verdicts(entries: tuple[Entry, ...]) -> dict[str, str]:
    """The last word on each release: `serving`, `failed`, `undone` where the host or somebody else was in the way, or `begun` where an
    activation was cut off before its verdict."""
    return {str(entry["release"]): str(entry["verdict"]) for entry in entries if "release" in entry and "verdict" in entry}


def chain(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """The releases that really served, oldest first, as far as one may go back to them: the last one is what serves.

    Going back ends a release's part in it; so does a verdict against it, and what a drill does counts for nothing.
    """
    found: list[str] = []
    for entry, by_hand in with_what_served(entries):
        release, verdict = str(entry.get("release")), entry.get("verdict")
        found = _newest(found, by_hand)
        if entry.get("drill") or verdict not in ("serving", "failed"):
            continue
        if verdict == "serving" and entry.get("action") in BACK:
            left = str(entry.get("from"))
            if release in found:
                del found[found.index(release) + 1 :]
                continue
            found = [one for one in found if one != left]
        found = _newest(found, release) if verdict == "serving" else [one for one in found if one != release]
    return tuple(found)


def _newest(order: list[str], release: str) -> list[str]:
    """The order with the release at its end; as it is for none."""
    return [*(one for one in order if one != release), release] if release else order


def with_what_served(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, str]]:
    """Each entry, and with it the release that served when it began, if no entry says so: an operator had linked it by hand.

    One that its own last entry does not call `serving` is none to go back to, nor is one that only drills have activated.
    """
    made = drilled(entries)
    served: str = ""
    doubtful: set[str] = set()
    for entry in entries:
        release, verdict, before = str(entry.get("release")), entry.get("verdict"), str(entry.get("from") or "")
        yield entry, before if before not in (served, release, *doubtful, *made) else ""
        if verdict == "serving":
            served = release
            doubtful.discard(release)
        elif verdict:
            served = before
            doubtful.add(release)


def once(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Every release that once served, in the order in which they were deployed; what has become of it since does not matter."""
    order: dict[str, None] = {}
    for entry, by_hand in with_what_served(entries):
        release = str(entry.get("release"))
        if by_hand:
            order.setdefault(by_hand)
        if entry.get("verdict") == "serving" and (entry.get("action") not in BACK or release not in order):
            order.pop(release, None)
            order[release] = None
    return tuple(order)


def drilled(entries: tuple[Entry, ...]) -> frozenset[str]:
    """The releases that drills alone have activated, and that did not serve before a drill began."""
    others: set[str] = set()
    made: set[str] = set()
    for entry in entries:
        release, before = str(entry.get("release")), str(entry.get("from") or "")
        if before not in made:
            others.add(before)
        if entry.get("drill") and release not in others:
            made.add(release)
        elif "verdict" in entry and not entry.get("drill"):
            others.add(release)
    return frozenset(made - others)


def worth_keeping(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """The releases that somebody may want to go back to, the likeliest last; none of a drill's."""
    last = verdicts(entries)
    made = drilled(entries)
    back = chain(entries)
    others = (release for release in once(entries) if release not in back and release not in made and last[release] != "failed")
    return (*others, *back)


def migrated(release: str, who: str, machine: str, seconds: float, now: float) -> Entry:
    """An entry that says that the database was migrated as a release has it; `now` in seconds since the epoch."""
    return {"time": now, "release": release, "action": "migrate", "who": who, "machine": machine, "seconds": round(seconds, 3)}


def migrations(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """The releases by which the database was migrated, the last one last."""
    order = dict.fromkeys(str(entry["release"]) for entry in reversed(entries) if entry.get("action") == "migrate" and "release" in entry)
    return tuple(reversed(order))


def label(release: str, commit: str, who: str, machine: str, now: float) -> Entry:
    """An entry that says which commit a release's content is, now that there is one; `now` in seconds since the epoch."""
    return {"time": now, "release": release, "action": "label", "commit": commit, "who": who, "machine": machine}


def labels(entries: tuple[Entry, ...]) -> dict[str, str]:
    """The commits that releases were found to be after they had been made."""
    return {str(entry["release"]): str(entry["commit"]) for entry in entries if entry.get("action") == "label"}
