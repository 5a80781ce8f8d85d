"""Root's program on a host: installed as it was sent, outside of every release, whichever of them is current."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd
from raab.host.durable import sync_directory, write_durably
from raab.host.paths import Paths

ENTRY = "__main__.py"
MODULE = re.compile(r"\Araab(\.[a-z_]+)*\Z")
STARTED = re.compile(
    r"^# Written by raab(?: (?P<version>[0-9][0-9A-Za-z.+]*))?: what is started here is (?P<digest>[0-9a-f]{64})\.$", re.MULTILINE
)
# Seconds that a version may be at work beside newer ones: no activation takes longer.
AT_WORK = 86_400
MOST = 1 << 22
START = """# Written by raab{version}: what is started here is {digest}.
import sys
sys.path.insert(0, {home!r})
import raab.host.command.root
sys.exit(raab.host.command.root.main(sys.argv[1:]))
"""
# Where the unit of a service (%i) asks for root's part of its start and reload, and what answers there (raab.host.command.part). systemd
# gives a unit's variables to each of its commands, root's too, and some put code into whatever is run (LD_PRELOAD=): so it is another unit.
SOCKET = """# Written by raab.
[Unit]
Description=where %i.service asks for root's part

[Socket]
ListenSequentialPacket={place}
# The service's alone; and who asks has to be the very process that systemd runs for its unit.
SocketUser=%i
SocketMode=0600
Accept=yes
# A process of the service's that asks without end is refused each time, and shuts nobody else out.
TriggerLimitIntervalSec=0
"""
ANSWER = """# Written by raab.
[Unit]
Description=root's part of a service
CollectMode=inactive-or-failed

[Service]
ExecStart=/usr/bin/python3 -IS {program} part
StandardInput=socket
StandardOutput=journal
StandardError=journal
# One is started at each reload; only a failure of its own is worth a line.
SyslogLevel=err
LogLevelMax=warning
"""
# -I and -S: neither the caller's variables nor any site-packages have a part in what root runs.
COMMAND = (
    '#!/bin/sh\n# Written by raab: root\'s own program, whatever release is current.\nexec /usr/bin/python3 -IS {program} command "$@"\n'
)


def digest(sources: Mapping[str, str]) -> str:
    """The SHA-256 of all of it, names and texts."""
    return digest_of({place(name, sources): text.encode() for name, text in sources.items()})


def digest_of(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(b"".join(b"%s\0%d\0%s" % (name.encode(), len(text), text) for name, text in sorted(files.items()))).hexdigest()


def installed(paths: Paths) -> str:
    """The digest of what is started on this host, if all of it is there as it was sent; else empty."""
    name = started(paths)
    home = paths.roots_own / name
    try:
        files = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*.py")}
    except OSError:
        return ""
    return name if digest_of(files) == name else ""


def faults(paths: Paths) -> list[str]:
    """What is not as it was installed: a file or a folder that is missing, changed, added, a link, or for others than root to write.

    Empty for a host of which nothing was installed yet.
    """
    name, command = started(paths), paths.command
    if not installed(paths):
        return [f"{paths.roots_own}: not as it was installed; the next deploy mends it"]
    wanted = {paths.roots_own / ENTRY: entry(paths, name, version(paths))}
    if command.exists():
        wanted |= beside(paths)
    found = [f"{path}: not what raab wrote" for path, text in wanted.items() if path.read_text(errors="replace") != text]
    home = paths.roots_own / name
    strange = [path for path in home.rglob("*") if not path.is_dir() and path.suffix != ".py" and path.parent.name != "__pycache__"]
    found += [f"{path}: nothing of raab's" for path in strange]
    for path in (paths.bin, paths.roots_own.parent, paths.roots_own, *wanted, home, *home.rglob("*")):
        status = path.lstat()
        if path.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
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
    found = re.match(r"([0-9]+(?:\.[0-9]+)*)(.*)", version)
    if found is None:
        return (), False, ""
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), not found[2] or found[2].startswith((".post", "+")), found[2]


def pack(sources: Mapping[str, str]) -> str:
    """As it travels within a request."""
    return base64.b64encode(zlib.compress(json.dumps(dict(sources)).encode(), 9)).decode()


def unpack(packed: str) -> dict[str, str]:
    """Raises RaabError for what is none."""
    try:
        unpacker = zlib.decompressobj()
        sources = json.loads(unpacker.decompress(base64.b64decode(packed, validate=True), MOST))
        if unpacker.unconsumed_tail:
            raise ValueError(f"more than {MOST} bytes")
        for name, text in sources.items():
            if not MODULE.match(name) or type(text) is not str:
                raise ValueError(f"not a module: {name!r}")
    except (ValueError, AttributeError, zlib.error) as error:
        raise RaabError(f"activate: what was sent is not root's program, got {error}", "deploy again") from error
    return dict(sources)


def install(paths: Paths, sources: Mapping[str, str], brought: str = "") -> None:
    """Have it be these modules, unless those of a newer version are there: they serve all services of the host. Each version has a folder
    of its own, named by its content; one file says which is started, and is replaced by rename."""
    files = {place(name, sources): text.encode() for name, text in sources.items()}
    name = digest_of(files)
    with alone(paths.roots_own):
        if newer(paths, brought):
            return
        before = started(paths)
        write(paths.roots_own / name, files)
        write_durably(paths.roots_own / ENTRY, entry(paths, name, brought).encode())
        remove_others(paths.roots_own, (name, before))


def newer(paths: Paths, brought: str) -> bool:
    """Whether the host has one of a newer version, and whole."""
    return bool(installed(paths)) and order(version(paths)) > order(brought)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else changes what is in the folder: services are deployed at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def offer(paths: Paths) -> None:
    """Have what the host starts it by lead there: `raab` on the operator's path, and the units of its part."""
    for target, text in beside(paths).items():
        there = not target.is_symlink() and target.is_file()
        if not there or target.read_bytes() != text.encode():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, text.encode(), 0o755 if target == paths.command else 0o644)
            if there and target != paths.command:
                systemd.order("systemctl", "daemon-reload")


def use(paths: Paths) -> Path:
    """Where it is, for somebody who is about to start it and has a day for what it does then."""
    with suppress(FileNotFoundError):
        os.utime(paths.roots_own / started(paths))
    return paths.roots_own


def beside(paths: Paths) -> dict[Path, str]:
    """The files by which it is started, with their texts."""
    return {
        paths.command: COMMAND.format(program=paths.roots_own),
        paths.units / "raab-root@.socket": SOCKET.format(place=paths.part.with_name("%i")),
        paths.units / "raab-root@.service": ANSWER.format(program=paths.roots_own),
    }


def place(name: str, sources: Mapping[str, str]) -> str:
    package = any(other.startswith(f"{name}.") for other in sources)
    return name.replace(".", "/") + ("/__init__.py" if package else ".py")


def write(home: Path, files: Mapping[str, bytes]) -> None:
    """Into a folder beside it, so that nothing is ever started of which a part is missing."""
    part = home.with_name(f"{home.name}.part")
    for leftover in (part, home):
        shutil.rmtree(leftover, ignore_errors=True)
    for name, text in files.items():
        target = part / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(target, text)
    part.rename(home)
    sync_directory(home.parent)


def remove_others(folder: Path, kept: tuple[str, ...]) -> None:
    """All but the new one, the one of before, and those that another service's activation may have begun with. Among them what earlier
    versions of raab put there."""
    for path in folder.iterdir():
        at_work = re.fullmatch("[0-9a-f]{64}", path.name) and path.stat().st_mtime > time.time() - AT_WORK
        if path.name not in (ENTRY, *kept) and not at_work:
            shutil.rmtree(path, ignore_errors=True)
