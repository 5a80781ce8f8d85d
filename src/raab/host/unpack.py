"""Put the app's wheel into a release's environment, taking from the release before what has not changed. Standard library only.

A deploy changes few files. Those that are the same are hard links, and so is their bytecode, which otherwise takes longest.
"""

from __future__ import annotations

import configparser
import csv
import importlib.util
import io
import os
import zipfile
from pathlib import Path

from raab.host.verify import record_digest

# Finds the interpreter beside itself, in whichever release it stands: a line of sh that Python reads as a string.
SCRIPT = """\
#!/bin/sh
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
    site = site_packages(venv)
    known = digests(site_packages(before)) if before else {}
    fresh = []
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        wanted = rows(archive.read(record).decode())
        for name, digest in wanted.items():
            target = site / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if before and digest and known.get(name) == digest and link(site_packages(before) / name, target, digest):
                continue
            target.write_bytes(archive.read(name))
            fresh.append(target)
        entries = next((name for name in wanted if name.endswith(".dist-info/entry_points.txt")), "")
        if entries:
            write_scripts(archive.read(entries).decode(), venv / "bin")
    (site / record).with_name("INSTALLER").write_text("raab\n")
    return fresh


def link(source: Path, target: Path, digest: str) -> bool:
    """Link a file and its bytecode, which is valid as long as the file keeps its time. False when it is not what its record says."""
    try:
        if record_digest(source.read_bytes()) != digest.removeprefix("sha256="):
            return False
    except FileNotFoundError:
        return False
    os.link(source, target)
    bytecode = Path(importlib.util.cache_from_source(str(source)))
    if source.suffix == ".py" and bytecode.exists():
        linked = Path(importlib.util.cache_from_source(str(target)))
        linked.parent.mkdir(exist_ok=True)
        os.link(bytecode, linked)
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
