from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from raab.deploy.bundle import build as bundle
from raab.deploy.bundle import files
from raab.deploy.bundle import tree as trees
from raab.deploy.bundle.parts import Bundle
from raab.errors import RaabError


def test_a_clean_tree_is_named_by_its_commit_and_built_once(tree: Path) -> None:
    """The commit's time, the content's hash; the second time nothing is built, and a change that no release carries changes nothing."""
    first = bundle.build(tree)
    assert first.id == f"20261122T061500Z-{first.content[:7]}"
    made = first.file.stat().st_mtime_ns
    (tree / "readme.md").write_text("words")
    (tree / "src/raab/__pycache__").mkdir()
    (tree / "src/raab/__pycache__/x.pyc").write_text("bytecode")
    assert bundle.build(tree) == first
    assert first.file.stat().st_mtime_ns == made


def test_one_file_holds_every_part_and_the_manifest_its_hash(tree: Path) -> None:
    made = bundle.build(tree)
    with tarfile.open(made.file) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        assert tar.getnames() == ["manifest.json", *(part["name"] for part in manifest["parts"])]
    assert made.manifest == json.dumps(manifest, indent=1) + "\n"
    assert {part.name for part in made.parts} >= {"gunicorn.py", "requirements.lock", "app/wsgi.py", "systemd/raab.service"}
    for part in made.parts:
        assert files.part(part.path, part.name) == part
    wheel = next(part.path for part in made.parts if part.name.endswith(".whl"))
    assert {name.split("/")[0].split("-")[0] for name in zipfile.ZipFile(wheel).namelist()} == {"raab", "handover", "http1"}


def test_the_same_commit_elsewhere_is_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(tree, copy)
    assert bundle.build(tree).file.read_bytes() == bundle.build(copy).file.read_bytes()


def test_what_differs_from_the_commit_is_marked(tree: Path, git: Any) -> None:
    """A changed file, and one that git does not know; committing the same content takes the mark away."""
    (tree / "src/raab/new.py").write_text("x = 1\n")
    dirty = bundle.build(tree)
    assert dirty.id.endswith("-dirty")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "second")
    clean = bundle.build(tree)
    assert (clean.content, clean.id.endswith("-dirty")) == (dirty.content, False)


def test_a_tree_without_git_counts_as_dirty(tree: Path) -> None:
    shutil.rmtree(tree / ".git")
    made = bundle.build(tree)
    assert made.id.endswith("-dirty")
    assert made.commit == ""


def test_what_an_earlier_build_left_behind_stays_out(tree: Path) -> None:
    """setuptools would take build/lib for its own; the wheel is built from a copy of the inputs."""
    (tree / "build/lib/raab").mkdir(parents=True)
    (tree / "build/lib/raab/stale.py").write_text("")
    wheel = next(part.path for part in bundle.build(tree).parts if part.name.endswith(".whl"))
    assert "raab/stale.py" not in zipfile.ZipFile(wheel).namelist()


def test_a_project_that_is_none_or_does_not_build(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(RaabError, match=r"deploy/config\.yaml: there is none"):
        bundle.build(tmp_path)
    (tree / "setup.py").write_text("raise SystemExit('no such version')\n")
    with pytest.raises(RaabError, match="no such version"):
        bundle.build(tree)


def wheel(made: Bundle) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(part.path for part in made.parts if part.name.endswith(".whl")))


def test_the_wheel_has_all_that_the_checkout_has(tree: Path, git: Any) -> None:
    """Data beside a module, a folder without __init__.py, a linked folder, dotfiles, what can be run: by the same names, as executable."""
    for name, text in {
        "src/raab/schema.sql": "create table x;\n",
        "src/raab/loose/deep/view.py": "x = 1\n",
        "src/raab/loose/data.json": "{}",
        "src/raab/static/.well-known/security.txt": "me",
        "src/raab/static/.hidden": "h",
        "src/raab/tool.sh": "#!/bin/sh\n",
        "src/raab/script.py": "#!/usr/bin/env python3\n",
        "shared/theme/a.css": "a {}",
        "shared/theme/.b.css": "b {}",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "src/raab/static/theme").symlink_to("../../../shared/theme")
    (tree / "src/raab/static/one.css").symlink_to("../../../shared/theme/a.css")
    for name in ("tool.sh", "script.py"):
        (tree / "src/raab" / name).chmod(0o755)
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "second")
    made = bundle.build(tree)
    assert not made.dirty
    with wheel(made) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist() if ".dist-info/" not in entry.filename}
        assert archive.read("raab/static/theme/a.css") == archive.read("raab/static/one.css") == b"a {}"
        record = {line.split(",")[0] for line in archive.read(f"raab-{made.version}.dist-info/RECORD").decode().splitlines()}
    assert modes.keys() == {
        *(
            "raab/__init__.py",
            "handover/__init__.py",
            "http1/__init__.py",
            "raab/schema.sql",
            "raab/loose/deep/view.py",
            "raab/loose/data.json",
        ),
        *("raab/static/.well-known/security.txt", "raab/static/.hidden", "raab/static/theme/a.css", "raab/static/theme/.b.css"),
        *("raab/static/one.css", "raab/tool.sh", "raab/script.py"),
    }
    assert modes.keys() < record
    assert {name for name, mode in modes.items() if mode == 0o755} == {"raab/tool.sh", "raab/script.py"}
    assert set(modes.values()) == {0o755, 0o644}


def test_what_manifest_in_excludes_is_in_neither(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It steers the wheel as it does the sdist, and the comparison does not bring it back."""
    (tree / "src/raab/notes.txt").write_text("")
    (tree / "src/raab/draft").mkdir()
    (tree / "src/raab/draft/page.html").write_text("")
    (tree / "MANIFEST.in").write_text("graft src/raab\nglobal-exclude *.txt *.nothing\nprune src/raab/draft\n")
    with wheel(bundle.build(tree)) as archive:
        assert not [name for name in archive.namelist() if name.startswith(("raab/notes", "raab/draft"))]
    assert capfd.readouterr() == ("", "")


def test_a_package_that_setup_py_does_not_know_is_refused_by_name(tree: Path) -> None:
    """The checkout imports it, and the host would not."""
    (tree / "src/other").mkdir()
    (tree / "src/other/data.json").write_text("{}")
    with pytest.raises(RaabError, match=r"no place for what the checkout has, got src/other/data\.json\nhint: name its package"):
        raise_whole(tree)
    (tree / "MANIFEST.in").write_text("graft src/raab\nprune src/other\n")
    bundle.build(tree)


def raise_whole(tree: Path) -> None:
    try:
        bundle.build(tree)
    except RaabError as error:
        raise RaabError(str(error)) from error


def test_one_commit_has_one_id_however_it_came_about(tree: Path, git: Any, tmp_path: Path) -> None:
    """A commit that changes no file of the release is another one, also where the one before was built already."""
    bundle.build(tree)
    (tree / "readme.md").write_text("words")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "words", "--date", "2026-11-23T06:15:00Z")
    git(tmp_path, "clone", "-q", str(tree), "clone")
    here, there = bundle.build(tree), bundle.build(tmp_path / "clone")
    assert (here.id, here.commit, here.file.read_bytes()) == (there.id, there.commit, there.file.read_bytes())


@pytest.mark.parametrize("name", ["manifest.json", "parts/app/wsgi.py", "*.tar"])
def test_a_damaged_bundle_is_made_anew(tree: Path, name: str) -> None:
    """A power loss leaves empty files."""
    first = bundle.build(tree)
    next(first.file.parent.glob(name)).write_text("")
    again = bundle.build(tree)
    assert (again.manifest, again.parts) == (first.manifest, first.parts)
    assert (again.file.parent / "parts/app/wsgi.py").read_text() == "application = None\n"


def test_a_checkout_that_cannot_be_written_is_said(tree: Path) -> None:
    (tree / "build").write_text("a file")
    with pytest.raises(RaabError, match="cannot be written below"):
        bundle.build(tree)


def test_what_git_ignores_is_named(tree: Path) -> None:
    """It is in the checkout and will be on no host."""
    (tree / "src/raab/local.db").write_text("")
    (tree / "src/raab/__pycache__").mkdir()
    (tree / "src/raab/__pycache__/x.pyc").write_text("")
    made = bundle.build(tree)
    assert made.notes == ("not in the release, since git ignores it: src/raab/local.db",)
    assert not made.dirty
    with wheel(made) as archive:
        assert "raab/local.db" not in archive.namelist()


@pytest.mark.parametrize(
    ("asked", "got", "hint"),
    [
        ("Path('readme.md')", "readme.md", "name it in deploy/config.yaml, `sources`"),
        ("Path(__file__).parent / 'docs' / 'all.md'", "docs/all.md", "name it in deploy/config.yaml, `sources`"),
        ("Path('../version.txt')", "../version.txt", "what lies outside is in no commit"),
    ],
)
def test_a_setup_that_reads_what_the_release_does_not_have(tree: Path, asked: str, got: str, hint: str) -> None:
    """It is there in the checkout, and named; with it in `sources` it builds, and a change of it is one of the release."""
    for name in ("readme.md", "docs/all.md", "../version.txt"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("words\n")
    setup = tree / "setup.py"
    setup.write_text(setup.read_text().replace('    name="raab",\n', f'    name="raab",\n    maintainer=({asked}).read_text().strip(),\n'))
    with pytest.raises(RaabError) as error:
        bundle.build(tree)
    assert (error.value.message.partition("got ")[2], error.value.exit_code) == (got, 2) and hint in error.value.hint
    if not got.startswith(".."):
        described = tree / "deploy/config.yaml"
        described.write_text(described.read_text().replace("[setup.py,", f"[setup.py, {got},"))
        first = bundle.build(tree)
        (tree / got).write_text("other words\n")
        assert trees.look(tree).content != first.content


def test_a_setup_that_does_not_build_is_said_in_a_line(tree: Path) -> None:
    (tree / "setup.py").write_text("raise LookupError('no compiler today')\n")
    with pytest.raises(RaabError, match=r"^build: the wheel does not build, got: LookupError: no compiler today\n"):
        bundle.build(tree)
