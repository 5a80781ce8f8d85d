"""Put the app's wheel into a release's environment, taking from the release before what has not changed. Standard library only.

A deploy changes few files. Those that are the same are hard links, and so is their bytecode, which otherwise takes longest.
"""

from __future__ import annotations

import configparser
import csv
import io
import os
import zipfile
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from raab.host.verify import record_digest

# Finds the interpreter beside itself, in whichever release it stands: a line of sh that Python reads as a string.
SCRIPT = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/python "$0" "$@"
' '''
import sys
from {module} import {top}
sys.exit({function}())
"""


def is_plain(wheel: Path) -> bool:
    """Whether the wheel is nothing but files for site-packages, pure Python, and console scripts. Others are left to uv."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = next(name for name in names if name.endswith(".dist-info/WHEEL"))
        pure = b"Root-Is-Purelib: true" in archive.read(about)
    return pure and not any(name.split("/")[0].endswith(".data") for name in names)


def unpack(wheel: Path, venv: Path, before: Path | None) -> list[Path]:
    """Install a plain wheel; `before` is the environment of another release, or None. Returns the files that are new."""
    site, old = site_packages(venv), site_packages(before) if before else None
    known = digests(old) if old else {}
    fresh: list[Path] = []
    made: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        wanted = rows(archive.read(record).decode())
        for name, digest in wanted.items():
            # Each file goes by its path as text: making Path's objects took longer than making the links.
            folder = name.rpartition("/")[0]
            for place in (folder, f"{folder}/__pycache__") if name.endswith(".py") else (folder,):
                if place not in made:
                    (site / place).mkdir(parents=True, exist_ok=True)
                    made.add(place)
            runs = bool(archive.getinfo(name).external_attr >> 16 & 0o100)
            if old and digest and known.get(name) == digest and link(f"{old}/{name}", f"{site}/{name}", digest, runs):
                continue
            target = site / name
            target.write_bytes(archive.read(name))
            if runs:
                target.chmod(0o755)
            fresh.append(target)
        entries = next((name for name in wanted if name.endswith(".dist-info/entry_points.txt")), "")
        if entries:
            write_scripts(archive.read(entries).decode(), venv / "bin")
    (site / record).with_name("INSTALLER").write_text("raab\n")
    return fresh


def link(source: str, target: str, digest: str, runs: bool) -> bool:
    """Link a file and its bytecode, which is valid as long as the file keeps its time. False when it is not what its record says, or
    can be run where the new one is not to be, whose mode is the same as that of every link to it."""
    try:
        with open(source, "rb") as file:  # noqa: PTH123
            if bool(os.fstat(file.fileno()).st_mode & 0o100) != runs:
                return False
            if record_digest(file.read()) != digest.removeprefix("sha256="):
                return False
    except FileNotFoundError:
        return False
    os.link(source, target)
    if source.endswith(".py"):
        with suppress(FileNotFoundError):
            os.link(cache_from_source(source), cache_from_source(target))
    return True


def site_packages(venv: Path) -> Path:
    return next(venv.glob("lib/python3*/site-packages"))


def digests(site: Path) -> dict[str, str]:
    """The files of the installed app with their digests."""
    records = sorted(site.glob("raab-*.dist-info/RECORD"))
    return rows(records[0].read_text()) if records else {}


def rows(record: str) -> dict[str, str]:
    """A RECORD's files with their digests, the record itself with an empty one."""
    return {row[0]: row[1] for row in csv.reader(io.StringIO(record)) if row}


def write_scripts(entry_points: str, folder: Path) -> None:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(entry_points)
    for name, target in parser["console_scripts"].items() if parser.has_section("console_scripts") else ():
        module, _, function = target.split("[")[0].strip().partition(":")
        script = folder / name
        script.write_text(SCRIPT.format(module=module, top=function.split(".")[0], function=function))
        script.chmod(0o755)
