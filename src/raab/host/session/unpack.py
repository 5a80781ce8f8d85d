"""Put an archive of a release where it belongs, taking from the release before what has not changed. Standard library only.

raab's own wheel goes into the environment; what is in `app` of the project's, a wheel or a zip file of the same form, into that folder.

A deploy changes few files. Those that are the same are hard links, and so is their bytecode, which otherwise takes longest.
"""

from __future__ import annotations

import configparser
import csv
import errno
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

from raab import exitcodes
from raab.errors import RaabError
from raab.host import seal
from raab.host.paths import SEED
from raab.host.session.receive import room
from raab.host.verify import record_digest

MOST_FILES = 50_000
LARGEST_RECORD = 16 << 20
# Bytes, of one file and of all unpacked.
LARGEST = 1 << 30
# Finds the interpreter beside itself, in whichever release it stands: a line of sh that Python reads as a string.
HEAD = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/python "$0" "$@"
' '''
"""
START = """import sys
from {module} import {top}
sys.exit({function}())
"""


# Where a zip file that is no wheel says what is in it.
OWN_RECORD = ".raab/RECORD"
RECORD = re.compile(r"[^/]+\.dist-info/RECORD|\.raab/RECORD(?:-[0-9a-f]{16})?")


class Entry(NamedTuple):
    """A file of an archive: its name there, where it belongs in a release, its digest as the record has it, whether it can be run."""

    name: str
    place: str
    digest: str
    runs: bool


class Target(NamedTuple):
    """Where an archive is unpacked: the release in the making, the folder in it, and what of that folder is not the release's own: it lies
    in `seed` until the service takes it over."""

    release: Path
    folder: str
    writable: tuple[str, ...] = ()


def unpack(archive_file: Path, target: Target, before: Path | None) -> list[Path]:
    """Unpack a wheel, or what has the form of one; `before` is another release, or None. Returns the files that are new.

    Every file is a new one, or a link to an unchanged one of before: a name that the release has already, of a dependency or of another
    script, is refused, since what is written through a link changes every release that shares it. Raises RaabError for that, and for an
    archive that is not what its record says.
    """
    release, folder = target.release, target.folder
    known = digests(before / folder) if before else {}
    noted = seal.read(before) if before else {}
    fresh: list[Path] = []
    with opened(archive_file) as archive:
        listed = entries(archive, target)
        room(release, sum(archive.getinfo(entry.name).file_size for entry in listed), archive_file.name)
        made: set[str] = set()
        for entry in listed:
            # Each file goes by its path as text: making Path's objects took longer than making the links.
            home = entry.place.rpartition("/")[0]
            for place in (home, f"{home}/__pycache__") if entry.name.endswith(".py") else (home,):
                if place not in made:
                    make_folder(release, place)
                    made.add(place)
            # What the release before has noted is its own: no link of it, to where the service writes, leads there.
            unchanged = entry.digest and known.get(entry.name) == entry.digest and entry.place in noted
            if unchanged and link(f"{before}/{entry.place}", f"{release}/{entry.place}", entry, noted):
                continue
            content = archive.read(entry.name)
            if entry.digest and record_digest(content) != entry.digest.removeprefix("sha256="):
                raise refused(f"{entry.name} is not what its record says")
            if "/scripts/" in entry.name and content.startswith(b"#!python"):
                content = HEAD + content.partition(b"\n")[2]
            write_new(release / entry.place, content, entry.runs)
            fresh.append(release / entry.place)
        about = next((entry.name for entry in listed if entry.name.endswith(".dist-info/entry_points.txt")), "")
        if about:
            write_scripts(archive.read(about).decode(errors="replace"), release / "venv/bin")
        record = next(entry for entry in listed if RECORD.fullmatch(entry.name))
        if not record.name.startswith(OWN_RECORD):
            write_new((release / record.place).with_name("INSTALLER"), b"raab\n")
    return fresh


@contextmanager
def opened(archive_file: Path) -> Iterator[zipfile.ZipFile]:
    """Raises RaabError for what is no archive, or none that can be read: cut, damaged, encrypted, compressed in an unknown way."""
    try:
        with zipfile.ZipFile(archive_file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeError) as error:
        raise refused(f"{archive_file.name} cannot be read as an archive, got: {error}") from error
    except OSError as error:
        # Of an archive whose directory leads to before its beginning; all else is the disk's.
        if error.errno != errno.EINVAL:
            raise
        raise refused(f"{archive_file.name} cannot be read as an archive, got: {error}") from error


def make_folder(release: Path, place: str) -> None:
    """Raises RaabError where something else has that name."""
    try:
        (release / place).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise refused(f"a folder and a file both have this name, got {place}") from None


def entries(archive: zipfile.ZipFile, target: Target) -> list[Entry]:
    """All files of an archive, each with its place in the release (packaging.python.org, binary distribution format).

    Raises RaabError for names that lead elsewhere, for a record that does not name just what is there, and for more than any app takes.
    """
    infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    record = [name for name in infos if RECORD.fullmatch(name)]
    if len(record) != 1 or len(infos) > MOST_FILES or infos[record[0]].file_size > LARGEST_RECORD:
        raise refused(f"it has no record that can be read, got {len(infos)} files")
    wanted = rows(archive.read(record[0]).decode(errors="replace"))
    if strange := sorted(wanted.keys() ^ infos.keys()):
        raise refused(f"its record does not name what is in it, got {strange[0]!r}")
    found = []
    for name, info in infos.items():
        if not harmless(name):
            raise refused(f"a name that leads elsewhere, got {name[:200]!r}")
        if name != record[0] and not wanted[name].startswith("sha256="):
            raise refused(f"its record has no SHA-256 of {name}")
        kind = info.external_attr >> 16
        if stat.S_IFMT(kind) not in (0, stat.S_IFREG) or info.file_size > LARGEST:
            raise refused(f"neither a file nor of a file's size, got {name}")
        script = name.split("/")[1:2] == ["scripts"] and name.split("/")[0].endswith(".data")
        found.append(Entry(name, placed(name, target), wanted[name], script or bool(kind & 0o100)))
    if sum(info.file_size for info in infos.values()) > LARGEST:
        raise refused(f"it is larger than {LARGEST} bytes unpacked")
    return found


def harmless(name: str) -> bool:
    """Whether it leads to a file below where it is put, in letters that can be shown."""
    parts = name.split("/")
    short = len(name) < 1000 and all(len(part.encode(errors="replace")) < 256 for part in parts)
    return short and name.isprintable() and "\\" not in name and not any(part in ("", ".", "..") for part in parts)


def placed(name: str, target: Target) -> str:
    """Where a file of the archive belongs in the release."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return within(name, target)
    kind, _, below = rest.partition("/")
    if kind in ("purelib", "platlib") and below:
        return within(below, target)
    folders = {"scripts": "venv/bin/", "data": "venv/", "headers": f"venv/include/{first.partition('-')[0]}/"}
    if kind not in folders or not below or (kind == "scripts" and "/" in below):
        raise refused(f"a name that belongs nowhere, got {name}")
    return folders[kind] + below


def within(name: str, target: Target) -> str:
    lasting = any(f"{name}/".startswith(f"{one}/") for one in target.writable)
    return f"{SEED}/{name}" if lasting else f"{target.folder}/{name}"


def refused(why: str) -> RaabError:
    return RaabError(f"stage: the app cannot be unpacked: {why}", "build it again: remove build/raab and deploy", exitcodes.REFUSED)


def write_new(target: Path, content: bytes, runs: bool = False) -> None:
    """Raises RaabError where there is something already."""
    try:
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:  # noqa: PTH123
            os.fchmod(file.fileno(), 0o755 if runs else 0o644)
            file.write(content)
    except FileExistsError:
        place = "/".join(target.parts[-2:])
        raise RaabError(
            f"stage: the app and a dependency of it both have a file of this name, got {place}", "name the app's own otherwise", 5
        ) from None


def link(source: str, target: str, entry: Entry, noted: Mapping[str, seal.Noted]) -> bool:
    """Link a file and its bytecode, which is valid as long as the file keeps its time. False when it is not what its record says, or
    can be run where the new one is not to be, whose mode is the same as that of every link to it. Bytecode is taken as it was installed,
    or not at all."""
    try:
        with open(source, "rb") as file:  # noqa: PTH123
            if bool(os.fstat(file.fileno()).st_mode & 0o100) != entry.runs:
                return False
            if record_digest(file.read()) != entry.digest.removeprefix("sha256="):
                return False
    except FileNotFoundError:
        return False
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    if source.endswith(".py"):
        compiled = cache_from_source(source)
        if seal.unchanged(compiled, noted.get(cache_from_source(entry.place))):
            os.link(compiled, cache_from_source(target))
    return True


def site_packages(venv: Path) -> Path:
    return next(venv.glob("lib/python3*/site-packages"))


def digests(folder: Path) -> dict[str, str]:
    """The files that were unpacked there with their digests; of an environment, those of raab's wheel alone."""
    records = [*folder.glob("raab-*.dist-info/RECORD"), *folder.glob(f"{OWN_RECORD}*")]
    records += [] if folder.name == "site-packages" else folder.glob("*.dist-info/RECORD")
    return {name: digest for record in records if record.is_file() for name, digest in rows(record.read_text()).items()}


def rows(record: str) -> dict[str, str]:
    """A RECORD's files with their digests, the record itself with an empty one."""
    return {row[0]: row[1] for row in csv.reader(io.StringIO(record)) if len(row) > 1}


def write_scripts(entry_points: str, folder: Path) -> None:
    """The console scripts. Raises RaabError for one whose name leads elsewhere or is taken, by the interpreter or by a dependency."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(entry_points)
    except configparser.Error as error:
        raise refused(f"its entry points cannot be read, got {str(error).splitlines()[0]}") from None
    for name, target in parser["console_scripts"].items() if parser.has_section("console_scripts") else ():
        module, _, function = target.split("[")[0].strip().partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name, re.ASCII):
            raise refused(f"a script's name that is none, got {name[:100]!r}")
        if not all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
            raise refused(f"a script that starts nothing, got {name} = {target[:100]!r}")
        start = START.format(module=module, top=function.split(".")[0], function=function)
        write_new(folder / name, HEAD + start.encode(), runs=True)
