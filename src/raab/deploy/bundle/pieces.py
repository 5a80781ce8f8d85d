"""Large trees of files in pieces, so that a file that changes has its piece sent again and no other.

Where a piece ends is told by the names of its files alone: one file more, or one less, changes the piece that it is in. What is not large
is one piece.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from raab.deploy.bundle import packing
from raab.project import archive

Files = Mapping[str, tuple[bytes, bool]]
# Bytes of files that are no code from which on they are cut; about so many pieces; and bytes of a file that is one alone.
LARGE = 4 << 20
PIECES = 256
ALONE = 1 << 20
# What a plan compares, read out of the wheel (raab.deploy.bundle.files).
KEPT = "raab/config/"


def write(folder: Path, stem: str, files: Files) -> None:
    """Put files into a folder, as one archive of the name `stem`, or as that and one for each piece of what is no code."""
    data = large({name: each for name, each in files.items() if not name.endswith(".py")})
    rest = {name: each for name, each in files.items() if name not in data}
    folder.mkdir(exist_ok=True)
    if rest:
        archive.write(folder / f"{stem}.zip", rest)
    for piece in cut({name: len(content) for name, (content, _) in data.items()}):
        # By the name of its first file, which the changes of other pieces do not touch.
        mark = hashlib.sha256(piece[0].encode()).hexdigest()[:16]
        archive.write(folder / f"{stem}-{mark}.zip", {name: data[name] for name in piece}, f"{archive.RECORD}-{mark}")


def apart(wheel: Path) -> Files:
    """Take the files of a wheel that are no code out of it, if they are large; what was taken."""
    with zipfile.ZipFile(wheel) as opened:
        entries = [(entry, opened.read(entry)) for entry in opened.infolist() if not entry.is_dir()]
    about = [each for each in entries if ".dist-info/" in each[0].filename or ".data/" in each[0].filename]
    mine = [each for each in entries if each not in about]
    data = large(
        {
            entry.filename: (content, packing.runs(entry))
            for entry, content in mine
            if not entry.filename.endswith(".py") and not entry.filename.startswith(KEPT)
        }
    )
    if data:
        packing.write(wheel, [each for each in mine if each[0].filename not in data], about)
    return data


def large(files: Files) -> Files:
    """All of them, if they are more than LARGE bytes; else none."""
    return files if sum(len(content) for content, _ in files.values()) > LARGE else {}


def cut(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """The names in pieces; `sizes` are their bytes."""
    one_in = 1 << (len(sizes) // PIECES).bit_length()
    piece: list[str] = []
    for name in sorted(sizes):
        if sizes[name] > ALONE:
            if piece:
                yield piece
            yield [name]
            piece = []
            continue
        piece.append(name)
        if int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % one_in == 0:
            yield piece
            piece = []
    if piece:
        yield piece
