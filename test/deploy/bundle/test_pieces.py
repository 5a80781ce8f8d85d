"""A large tree is sent in pieces: what changes costs its piece."""

from __future__ import annotations

import random
from pathlib import Path

from raab.deploy.bundle import build as bundle
from raab.deploy.bundle import pieces
from raab.deploy.bundle.parts import Bundle
from raab.host import seal
from raab.host.session import unpack


def fill(tree: Path, files: int, size: int) -> Path:
    """A static folder of so many files of so many bytes that nobody compresses."""
    folder = tree / "src/raab/static"
    folder.mkdir()
    for number in range(files):
        (folder / f"{number:04}.png").write_bytes(random.Random(number).randbytes(size))
    return folder


def lacking(new: Bundle, old: Bundle) -> int:
    """Bytes that a host lacks that has the old one."""
    there = {part.sha256 for part in old.parts}
    return sum(part.size for part in new.parts if part.sha256 not in there)


def test_a_file_that_changes_has_its_piece_sent_again(tree: Path) -> None:
    """As do one more, and one less; of the code nothing is sent for it, and for a change of the code nothing of the files."""
    folder = fill(tree, files=500, size=16_000)
    first = bundle.build(tree)
    whole = sum(part.size for part in first.parts)
    assert whole > 8_000_000 and sum(part.name.startswith("data-") for part in first.parts) > 20
    assert lacking(first, bundle.build(tree)) == 0
    (folder / "0100.png").write_bytes(random.Random("another").randbytes(16_000))
    second = bundle.build(tree)
    assert 16_000 < lacking(second, first) < whole / 20
    (folder / "0100a.png").write_bytes(b"one more")
    (folder / "0400.png").unlink()
    third = bundle.build(tree)
    assert lacking(third, second) < whole / 5
    (tree / "src/raab/__init__.py").write_text("changed = 1\n")
    assert lacking(bundle.build(tree), third) < 20_000


def test_pieces_are_unpacked_as_what_they_were_cut_from(tree: Path, tmp_path: Path) -> None:
    """And what has not changed is a link to the release before."""
    folder = fill(tree, files=300, size=16_000)
    made = bundle.build(tree)
    releases = [tmp_path / "one", tmp_path / "two"]
    for number, release in enumerate(releases):
        (release / "venv/bin").mkdir(parents=True)
        for part in made.parts:
            if part.name.endswith((".whl", ".zip")):
                unpack.unpack(part.path, unpack.Target(release, "site"), releases[0] if number else None)
        seal.write(release, seal.make(release, {}))
    there = {path.name: path for path in (releases[0] / "site/raab/static").iterdir()}
    assert len(there) == 300
    assert all(path.read_bytes() == (folder / name).read_bytes() for name, path in there.items())
    assert all((releases[1] / "site/raab/static" / name).samefile(path) for name, path in there.items())


def test_where_a_piece_ends_is_told_by_names_alone() -> None:
    names = {f"static/{number:05}.js": 10_000 for number in range(10_000)}
    cut = list(pieces.cut(names))
    assert [name for piece in cut for name in piece] == sorted(names) and 100 < len(cut) < 400
    assert list(pieces.cut(dict.fromkeys(names, 5))) == cut
    changed = {tuple(piece) for piece in pieces.cut({**names, "static/05000a.js": 1})} - {tuple(piece) for piece in cut}
    assert len(changed) <= 2
    assert ["static/film.mp4"] in pieces.cut({**names, "static/film.mp4": 50 << 20})


def test_what_is_not_large_is_one_piece(tree: Path) -> None:
    fill(tree, files=10, size=16_000)
    assert not [part for part in bundle.build(tree).parts if part.name.startswith("data")]
