"""What has become of an installed tree: every way in which a file can be another one is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from raab.host import seal


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "release"
    (root / "venv/lib").mkdir(parents=True)
    (root / "venv/lib/a.py").write_text("a = 1\n")
    (root / "venv/lib/b.pyc").write_bytes(b"bytecode")
    (root / "venv/python").symlink_to("/usr/bin/python3")
    (root / "wsgi.py").write_text("application = None\n")
    seal.write(root, seal.make(root, {}))
    return root


def test_an_untouched_tree_is_whole_and_links_to_it_change_nothing(tree: Path) -> None:
    os.link(tree / "wsgi.py", tree.with_name("another release's"))
    assert seal.damage(tree) == seal.damage(tree, closely=True) == []


def in_place(path: Path) -> None:
    path.write_text("a = 2\n")


def replaced(path: Path) -> None:
    path.with_name("new").write_text("a = 1\n")
    path.with_name("new").replace(path)


def writable(path: Path) -> None:
    path.chmod(0o666)


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("change", [in_place, replaced, writable, linked, Path.unlink])
def test_a_changed_file_is_named(tree: Path, change: Callable[[Path], None]) -> None:
    change(tree / "venv/lib/a.py")
    assert seal.damage(tree) == [f"venv/lib/a.py {'is lost' if change is Path.unlink else 'was changed'}"]


@pytest.mark.parametrize("name", ["venv/lib/evil.pth", "venv/lib/__pycache__/a.pyc", "venv/lib/sitecustomize.py"])
def test_what_is_there_and_should_not_be_is_named(tree: Path, name: str) -> None:
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("import os\n")
    assert seal.damage(tree) == [f"{name} is there and should not be"]


def test_a_link_that_leads_elsewhere_is_named(tree: Path) -> None:
    (tree / "venv/python").unlink()
    (tree / "venv/python").symlink_to("/tmp/python")
    assert seal.damage(tree) == ["venv/python was changed"]


def test_only_the_closer_look_sees_a_change_that_hides(tree: Path) -> None:
    """Of the same length, with the old time set again."""
    file = tree / "venv/lib/a.py"
    before = file.stat().st_mtime_ns
    file.write_text("a = 2\n")
    os.utime(file, ns=(before, before))
    assert seal.damage(tree) == []
    assert seal.damage(tree, closely=True) == ["venv/lib/a.py was changed"]


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"wsgi.py": 7}', '{"wsgi.py": []}'])
def test_without_a_seal_nothing_is_whole(tree: Path, text: str | None) -> None:
    (tree / seal.SEAL).unlink()
    if text is not None:
        (tree / seal.SEAL).write_text(text)
    assert seal.damage(tree) == ["release: nothing tells what was installed"]


def test_hashes_of_unchanged_files_are_taken_over(tree: Path) -> None:
    known = {name: noted._replace(sha256="taken over") for name, noted in seal.read(tree).items()}
    in_place(tree / "wsgi.py")
    made = seal.make(tree, known)
    assert made["venv/lib/a.py"].sha256 == "taken over" and made["wsgi.py"].sha256 == seal.digest(tree / "wsgi.py")
