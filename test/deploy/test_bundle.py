from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from raab.deploy import bundle
from raab.errors import RaabError

ROOT = Path(__file__).resolve().parents[2]


def git(root: Path, *words: str) -> None:
    command = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *words)
    subprocess.run(
        command, cwd=root, check=True, capture_output=True, env={"GIT_COMMITTER_DATE": "2026-11-22T06:15:00Z", "PATH": "/usr/bin:/bin"}
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project of the same shape, committed."""
    root = tmp_path / "tree"
    for name, text in {
        "src/raab/__init__.py": "",
        "src/handover/__init__.py": "",
        "systemd/raab.service": "[Service]\n",
        "wsgi.py": "application = None\n",
        "gunicorn.py": "",
        "requirements.lock": "",
        ".gitignore": "/build/\n__pycache__/\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


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
    assert {part.name for part in made.parts} >= {"gunicorn.py", "requirements.lock", "wsgi.py", "systemd/raab.service"}
    for part in made.parts:
        assert bundle.Part.of(part.path, part.name) == part
    wheel = next(part.path for part in made.parts if part.name.endswith(".whl"))
    assert {name.split("/")[0].split("-")[0] for name in zipfile.ZipFile(wheel).namelist()} == {"raab", "handover"}


def test_the_same_commit_elsewhere_is_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(tree, copy)
    assert bundle.build(tree).file.read_bytes() == bundle.build(copy).file.read_bytes()


def test_what_differs_from_the_commit_is_marked(tree: Path) -> None:
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
    with pytest.raises(RaabError, match=r"lacks setup\.py"):
        bundle.build(tmp_path)
    (tree / "setup.py").write_text("raise SystemExit('no such version')\n")
    with pytest.raises(RaabError, match="no such version"):
        bundle.build(tree)
