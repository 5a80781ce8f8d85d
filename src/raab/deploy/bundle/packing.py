"""Has the wheel what the checkout has? What it lacks is put in, or named; which of its files can be run is the checkout's affair, too."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import logging
import zipfile
from pathlib import Path

from raab import exitcodes
from raab.deploy.bundle.tree import Input
from raab.errors import RaabError

SRC = "src/"
EXCLUSIONS = ("exclude", "global-exclude", "recursive-exclude", "prune")


def complete(wheel: Path, files: tuple[Input, ...], manifest_in: str) -> None:
    """Make the wheel carry the checkout's files below src, and where its packages lie in the root those of them, with their modes; but not
    those that MANIFEST.in excludes. Tools that ask git what belongs to a package find none in the copy that it is built from.

    Raises RaabError for files of packages that the wheel does not know at all: where they belong is for setup.py to say.
    """
    with zipfile.ZipFile(wheel) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist() if not entry.is_dir()]
    there = {entry.filename for entry, _ in entries}
    packages = {name.partition("/")[0] for name in there if "/" in name and ".dist-info/" not in name}
    below = tuple(f"{package}/" for package in packages)
    kept = set(without_excluded([one.name for one in files if one.name.startswith((SRC, *below))], manifest_in))
    wanted = {one.name.removeprefix(SRC): one for one in files if one.name in kept}
    strangers = sorted(name for name in wanted.keys() - there if "/" not in name or name.partition("/")[0] not in packages)
    if strangers:
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        problem = f"bundle: setup.py's wheel has no place for what the checkout has, got {SRC}{strangers[0]}{more}"
        raise RaabError(problem, "name its package in setup.py, or exclude it in MANIFEST.in", exitcodes.BAD_INPUT)
    lacking = sorted(wanted.keys() - there)
    if not lacking and all(runs(entry) == wanted[entry.filename].executable for entry, _ in entries if entry.filename in wanted):
        return
    about = [each for each in entries if ".dist-info/" in each[0].filename]
    mine = [each for each in entries if ".dist-info/" not in each[0].filename]
    mine += [(like(entries[0][0], name), wanted[name].path.read_bytes()) for name in lacking]
    for entry, _ in mine:
        if entry.filename in wanted:
            entry.external_attr = (0o100755 if wanted[entry.filename].executable else 0o100644) << 16
    write(wheel, mine, about)


def write(wheel: Path, files: list[tuple[zipfile.ZipInfo, bytes]], about: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
    """Write the wheel anew, the record of its files last (packaging.python.org, binary distribution format)."""
    files = sorted(files, key=lambda each: each[0].filename)
    others = [each for each in about if not each[0].filename.endswith("/RECORD")]
    record = next(entry for entry, _ in about if entry.filename.endswith("/RECORD"))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for entry, content in (*files, *others):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow((entry.filename, f"sha256={digest}", len(content)))
    rows.writerow((record.filename, "", ""))
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in (*files, *others, (record, text.getvalue().encode())):
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def without_excluded(names: list[str], manifest_in: str) -> list[str]:
    """The names that no excluding line of MANIFEST.in takes out, as setuptools reads it."""
    lines = [line.strip() for line in manifest_in.replace("\\\n", " ").splitlines()]
    excluding = [line for line in lines if line.partition(" ")[0] in EXCLUSIONS]
    if not excluding:
        return names
    # Here and not above: it takes a tenth of a second, and a bundle is built once.
    from setuptools.command.egg_info import FileList

    files = FileList()
    files.files = list(names)
    # It warns of each line that matches nothing, which most do in most projects.
    logging.disable(logging.WARNING)
    try:
        for line in excluding:
            files.process_template_line(line)
    finally:
        logging.disable(logging.NOTSET)
    return list(files.files)


def runs(entry: zipfile.ZipInfo) -> bool:
    return bool(entry.external_attr >> 16 & 0o100)


def like(entry: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    """An entry of another name, with the times and kind of one that is there."""
    made = zipfile.ZipInfo(name, entry.date_time)
    made.create_system, made.external_attr = entry.create_system, 0o100644 << 16
    return made
