"""Having pip fetch wheels, and build those that no index has; and what it was that pip could not do, which its last lines do not tell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

from msgspec import Struct

from raab.deploy.bundle.lockfile import Locked, masked

# 1980-01-01, the first moment that a zip file can name: a wheel that is built twice should be the same.
EPOCH = "315532800"
MISSING = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")
UNREACHABLE = re.compile(r"Could not fetch URL (\S+?): (?!404 Client Error)(.+?) - skipping")
INSTALLED = re.compile(r"^\S+\s+Successfully installed (.+)$", re.MULTILINE)
FAILED = re.compile(r"^\S+\s+((?:ERROR: |\w*Error: ).+)$", re.MULTILINE)
SOURCES = r"(\.tar\.gz|\.zip|\.tar\.bz2|\.tgz)"


class Trouble(Struct, frozen=True):
    """What pip could not do: `source` where a version has no wheel that fits and has its source, `fit` where it has neither, `version`
    where the index has no such version, `index` where it did not answer, `other` for what pip itself says, which is `detail`."""

    kind: Literal["source", "fit", "version", "index", "other"]
    name: str = ""
    detail: str = ""


def download(wanted: tuple[Locked, ...], options: tuple[str, ...], target: tuple[str, ...], folder: Path) -> Trouble | None:
    """Fetch a wheel of each into the folder; `target` are pip's words for the platform. What is wrong with the first that is missing."""
    words = ("download", "--no-deps", "--require-hashes", "--only-binary=:all:", *target, f"--dest={folder}")
    done, log = run(words, (*options, *(one.line for one in wanted)), folder.parent)
    return diagnose(wanted, done.stderr, log) if done.returncode else None


def build(wanted: Locked, options: tuple[str, ...], tools: Path | None, folder: Path) -> tuple[tuple[str, ...], Trouble | None]:
    """Build one from its source in an environment of its own (PEP 517), by tools that the file `tools` pins. The tools that it took."""
    constraint = (f"--build-constraint={tools}",) if tools else ()
    words = ("wheel", "--no-deps", "--require-hashes", f"--no-binary={wanted.name}", "--no-cache-dir", *constraint, f"--wheel-dir={folder}")
    done, log = run(words, (*options, wanted.line), folder.parent)
    used = tuple(dict.fromkeys(" ".join(INSTALLED.findall(log)).split()))
    return used, diagnose((wanted,), done.stderr, log) if done.returncode else None


def run(words: tuple[str, ...], lines: tuple[str, ...], home: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run pip on lines of a requirements file; what it wrote to its log, too. `home` is nobody else's, for lines may hold credentials."""
    listing, log = home / "requirements.txt", home / "pip.log"
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    log.write_text("")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", f"--log={log}")
    command = (sys.executable, "-m", "pip", *words, *quiet, f"--requirement={listing}")
    # Not in the project's root, whose gunicorn.py and wsgi.py would be importable there.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, cwd=home, env=environment)
    return done, log.read_text(encoding="utf-8", errors="replace")


def diagnose(wanted: tuple[Locked, ...], stderr: str, log: str) -> Trouble:
    """pip says `No matching distribution` for all of it; its log has each file that it passed over, and each page that it did not get."""
    missing = MISSING.search(stderr)
    if not missing:
        # What a build said is in the log alone.
        said = (*dict.fromkeys(FAILED.findall(log)[-4:]), *stderr.strip().splitlines()[-6:])
        return Trouble("other", "", masked("\n".join(said)))
    name = re.sub(r"[-_.]+", "-", missing[1].partition("==")[0]).lower()
    one = next((each for each in wanted if each.name == name), None)
    if one is None:
        return Trouble("other", name, masked(missing[0]))
    stem = "[-_.]+".join(map(re.escape, name.split("-"))) + "-" + re.escape(one.version)
    unreachable = UNREACHABLE.search(log)
    if re.search(rf"/{stem}{SOURCES}(#|\s|$)", log, re.IGNORECASE | re.MULTILINE):
        return Trouble("source", name)
    if unreachable:
        return Trouble("index", name, masked(f"{unreachable[1]}: {unreachable[2]}"))
    return Trouble("fit" if re.search(rf"/{stem}-[^/\s]+\.whl", log, re.IGNORECASE) else "version", name)
