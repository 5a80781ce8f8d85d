"""Root's program on a host: installed as it was sent, outside of every release, whichever of them is current."""

from __future__ import annotations

import os
import py_compile
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from raab.host.durable import alone, sync_directory, write_durably
from raab.host.paths import Paths
from raab.host.session import first
from raab.host.session.ways import beside

ENTRY = "__main__.py"
STARTED = re.compile(
    r"^# Written by raab(?: (?P<version>[0-9][0-9A-Za-z.+]*))?: what is started here is (?P<digest>[0-9a-f]{64})\.$", re.MULTILINE
)
# Seconds that a version may be at work beside newer ones: no activation takes longer.
AT_WORK = 86_400
START = """# Written by raab{version}: what is started here is {digest}.
import os, sys
os.umask(0o022)
sys.path.insert(0, {home!r})
import raab.host.command.root
sys.exit(raab.host.command.root.main(sys.argv[1:]))
"""


def installed(paths: Paths) -> str:
    """The digest of what is started on this host, if all of it is there as it was sent; else empty."""
    name = started(paths)
    return name if first.kept(str(paths.roots_own / name), name) else ""


def faults(paths: Paths, ours: str) -> list[str]:
    """What is not as it was installed: a file or a folder that is missing, changed, added, a link, or for others than root to write.

    Empty for a host of which nothing was installed yet. `ours` is the digest of the program that asks: the texts by which another one is
    started, of an older raab or a newer one, it cannot know.
    """
    name, command = started(paths), paths.command
    if not installed(paths):
        home = str(paths.roots_own / name)
        found = list(first.faults(home)) if Path(home).is_dir() else []
        return found or [f"{paths.roots_own}: not as it was installed; the next deploy mends it"]
    wanted = {paths.roots_own / ENTRY: entry(paths, name, version(paths))}
    if command.exists():
        wanted |= beside(paths)
    texts = wanted if name == ours else {}
    found = [f"{path}: not what raab wrote" for path, text in texts.items() if path.read_text(errors="replace") != text]
    for path in (paths.bin, paths.roots_own.parent, paths.roots_own, *wanted):
        if path.is_symlink() or first.open_to_others(path.lstat()):
            found.append(f"{path}: not root's alone to write")
    return found


def started(paths: Paths) -> str:
    """The digest of what the entry names; "none" where there is no such entry."""
    found = _entry(paths)
    return found["digest"] if found else "none"


def version(paths: Paths) -> str:
    """Of the raab which brought it; empty where nobody has said."""
    found = _entry(paths)
    return (found["version"] or "") if found else ""


def _entry(paths: Paths) -> re.Match[str] | None:
    try:
        return STARTED.search((paths.roots_own / ENTRY).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def entry(paths: Paths, name: str, version: str) -> str:
    """The text of what is started: the program of that digest."""
    return START.format(version=version and f" {version}", digest=name, home=str(paths.roots_own / name))


def order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """By which versions of raab are compared (packaging.python.org, version specifiers): by numbers, what is not final before what is. One
    that nobody has said is before all."""
    found = re.match(r"([0-9]+(?:\.[0-9]+)*)([^+]*)", version)
    if found is None:
        return (), False, ""
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), not found[2] or found[2].startswith(".post"), found[2]


def build(version: str) -> int:
    """Which one of that version (raab.deploy.hosts.wire); 0 where that is not told."""
    number = version.partition("+")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


def install(paths: Paths, files: Mapping[str, bytes], brought: str) -> None:
    """Have it be these files, a text for each path, unless those of a newer version are there: they serve all services of the host. Each
    version has a folder of its own, named by its content; one file says which is started, and is replaced by rename."""
    name, place = first.digest_of(files), paths.roots_own / ENTRY
    with alone(paths.roots_own):
        before, text = started(paths), entry(paths, name, brought).encode()
        whole = first.kept(str(paths.roots_own / name), name) is not None
        if whole and before == name and place.read_bytes() == text:
            return
        if newer(paths, brought):
            return
        if not whole:
            write(paths.roots_own / name, files)
        write_durably(place, text)
        remove_others(paths.roots_own, (name, before))


def newer(paths: Paths, brought: str) -> bool:
    """Whether the host has one of a newer version, or a later build of the same, and whole. One that does not tell its build is as new as
    any."""
    there = version(paths)
    same = order(there) == order(brought)
    later = 0 < build(brought) < build(there) if same else order(there) > order(brought)
    return later and bool(installed(paths))


def use(paths: Paths) -> Path:
    """Where it is, for somebody who is about to start it and has a day for what it does then."""
    with suppress(FileNotFoundError):
        os.utime(paths.roots_own / started(paths))
    return paths.roots_own


def write(home: Path, files: Mapping[str, bytes]) -> None:
    """Into a folder beside it, so that nothing is ever started of which a part is missing.

    It is compiled at once: to ask a host anything changes nothing there.
    """
    part = home.with_name(f"{home.name}.part")
    for leftover in (part, home):
        shutil.rmtree(leftover, ignore_errors=True)
    for name, text in files.items():
        target = part / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
        py_compile.compile(str(target), dfile=str(home / name))
    subprocess.run(("sync", "--file-system", str(part)), check=True, timeout=120)
    part.rename(home)
    sync_directory(home.parent)


def remove_others(folder: Path, kept: tuple[str, ...]) -> None:
    """All but the new one, the one of before, and those that another service's activation may have begun with. Among them what earlier
    versions of raab put there."""
    for path in folder.iterdir():
        at_work = re.fullmatch("[0-9a-f]{64}", path.name) and path.stat().st_mtime > time.time() - AT_WORK
        if path.name not in (ENTRY, *kept) and not at_work:
            shutil.rmtree(path, ignore_errors=True)
