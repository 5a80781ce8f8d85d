"""Which files make a release, and whether they are its commit's: real repositories, in the states that people leave them in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raab.deploy.bundle import tree as trees
from raab.errors import RaabError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def names(root: Path) -> set[str]:
    return {one.name for one in trees.look(root).files}


def test_tracked_and_new_files_count_and_ignored_ones_do_not(tree: Path) -> None:
    clean = trees.look(tree)
    (tree / "src/raab/new.py").write_text("")
    (tree / "src/raab/local.db").write_text("")
    found = trees.look(tree)
    assert {one.name for one in found.files} - {one.name for one in clean.files} == {"src/raab/new.py"}
    assert (clean.dirty, found.dirty, found.commit, found.ignored) == (False, True, clean.commit, ("src/raab/local.db",))


def test_without_git_all_that_is_there_counts(tree: Path) -> None:
    """As from an sdist; but for what tools leave."""
    (tree / "src/raab/local.db").write_text("")
    (tree / "src/raab/__pycache__").mkdir()
    (tree / "src/raab/__pycache__/x.pyc").write_text("")
    shutil.rmtree(tree / ".git")
    found = trees.look(tree)
    assert "src/raab/local.db" in {one.name for one in found.files}
    assert not [one for one in found.files if "__pycache__" in one.name]
    assert (found.dirty, found.commit) == (True, "")


def test_an_sdist_inside_another_repository_is_none_of_its(tree: Path, tmp_path: Path, git: Any) -> None:
    """Whose rules would ignore half of it."""
    shutil.rmtree(tree / ".git")
    (tmp_path / ".gitignore").write_text("*.lock\n")
    git(tmp_path, "init", "-q")
    assert "requirements.lock" in names(tree)
    assert trees.look(tree).dirty


def test_a_project_in_a_folder_of_a_repository(tree: Path, tmp_path: Path, git: Any) -> None:
    shutil.rmtree(tree / ".git")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "all")
    (tmp_path / "elsewhere.txt").write_text("not the project's")
    assert not trees.look(tree).dirty


def edit(root: Path, git: Any) -> None:
    (root / "wsgi.py").write_text("application = 1\n")


def delete(root: Path, git: Any) -> None:
    (root / "src/handover/__init__.py").unlink()
    (root / "src/handover/other.py").write_text("")
    git(root, "add", "-A")


def look_away(root: Path, git: Any) -> None:
    git(root, "update-index", "--assume-unchanged", "wsgi.py")
    (root / "wsgi.py").write_text("application = 1\n")


def skip(root: Path, git: Any) -> None:
    git(root, "update-index", "--skip-worktree", "systemd/raab.service")
    (root / "systemd/raab.service").unlink()


def executable(root: Path, git: Any) -> None:
    (root / "src/raab/__init__.py").chmod(0o755)


def line_ends(root: Path, git: Any) -> None:
    (root / ".gitattributes").write_text("* text=auto\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "attributes")
    (root / "wsgi.py").write_bytes(b"application = None\r\n")


@pytest.mark.parametrize("change", [edit, delete, look_away, skip, executable, line_ends])
def test_what_is_not_the_commit_is_dirty(tree: Path, git: Any, change: Callable[[Path, Any], None]) -> None:
    """Whatever the index has been told."""
    before = trees.look(tree)
    change(tree, git)
    after = trees.look(tree)
    assert after.dirty
    assert after.content != before.content


def test_a_file_system_without_modes_has_those_of_the_commit(tree: Path, git: Any) -> None:
    before = trees.look(tree)
    git(tree, "config", "core.fileMode", "false")
    (tree / "src/raab/__init__.py").chmod(0o755)
    assert trees.look(tree) == before


def test_a_stray_git_dir_misleads_nobody(tree: Path, git: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that deploys has it set."""
    before = trees.look(tree)
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nothing"))
    assert trees.look(tree) == before


@pytest.mark.parametrize(("file", "text"), [("index", b"damaged"), ("HEAD", b""), ("HEAD", b"ref: refs/heads/\0")])
def test_a_damaged_repository_is_said(tree: Path, file: str, text: bytes) -> None:
    """With git's own words, and no release is made of what it might have meant."""
    (tree / ".git" / file).write_bytes(text)
    with pytest.raises(RaabError, match=r"git: .* cannot be read, got: ") as raised:
        trees.look(tree)
    assert raised.value.exit_code == 2


def test_a_lost_index_changes_nothing(tree: Path) -> None:
    before = trees.look(tree)
    (tree / ".git/index").unlink()
    assert trees.look(tree) == before


def test_before_the_first_commit(tree: Path, git: Any) -> None:
    shutil.rmtree(tree / ".git")
    git(tree, "init", "-q")
    found = trees.look(tree)
    assert (found.commit, found.dirty) == ("", True)
    assert "wsgi.py" in {one.name for one in found.files}


@pytest.fixture
def with_submodule(tree: Path, tmp_path: Path, git: Any) -> Path:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    git(vendor, "init", "-q")
    (vendor / "lib.js").write_text("1")
    git(vendor, "add", "-A")
    git(vendor, "commit", "-q", "-m", "lib")
    git(tree, "submodule", "--quiet", "add", str(vendor), "src/raab/vendor")
    git(tree, "commit", "-q", "-m", "submodule")
    return tree


def test_a_submodule_is_carried(with_submodule: Path) -> None:
    found = trees.look(with_submodule)
    assert "src/raab/vendor/lib.js" in {one.name for one in found.files}
    assert not found.dirty


def test_a_submodule_at_another_commit_or_changed_is_dirty(with_submodule: Path, git: Any) -> None:
    inner = with_submodule / "src/raab/vendor"
    (inner / "lib.js").write_text("2")
    assert trees.look(with_submodule).dirty
    git(inner, "commit", "-q", "-a", "-m", "two")
    assert trees.look(with_submodule).dirty
    git(with_submodule, "add", "-A")
    git(with_submodule, "commit", "-q", "-m", "bump")
    assert not trees.look(with_submodule).dirty


def test_a_submodule_that_is_not_there_is_named(with_submodule: Path, git: Any, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(with_submodule), "clone")
    with pytest.raises(RaabError, match="without files, got src/raab/vendor"):
        trees.look(tmp_path / "clone")


def test_a_pointer_of_git_lfs_is_named(tree: Path) -> None:
    (tree / "src/raab/film.mp4").write_text(POINTER)
    with pytest.raises(RaabError, match=r"got the pointer src/raab/film\.mp4"):
        trees.look(tree)


def test_what_a_filter_makes_of_a_commit_is_that_commit(tree: Path, git: Any) -> None:
    """As Git LFS does: the commit has something short, every checkout the whole."""
    git(tree, "config", "filter.upper.clean", "tr A-Z a-z")
    git(tree, "config", "filter.upper.smudge", "tr a-z A-Z")
    (tree / ".gitattributes").write_text("*.txt filter=upper\n")
    (tree / "src/raab/loud.txt").write_text("LOUD")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "loud")
    assert not trees.look(tree).dirty
    (tree / "src/raab/loud.txt").write_text("LOUDER")
    assert trees.look(tree).dirty


def test_a_changed_file_behind_a_link_is_a_change(tree: Path, git: Any) -> None:
    (tree / "shared").mkdir()
    (tree / "shared/a.css").write_text("a")
    (tree / "src/raab/theme").symlink_to("../../shared")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "link")
    before = trees.look(tree)
    assert not before.dirty
    (tree / "shared/a.css").write_text("b")
    after = trees.look(tree)
    assert after.dirty
    assert after.content != before.content


@pytest.mark.parametrize(
    ("target", "says"),
    [("nowhere", "leads nowhere"), ("/etc", "leads out of the project"), ("..", "a folder it lies in"), ("loop", "leads nowhere")],
)
def test_links_that_cannot_be_carried_are_named(tree: Path, target: str, says: str) -> None:
    (tree / "src/raab/loop").symlink_to(target)
    with pytest.raises(RaabError, match=f"{says}, got src/raab/loop"):
        trees.look(tree)


def test_links_that_lead_to_each_other_end(tree: Path) -> None:
    for one, other in (("one", "other"), ("other", "one")):
        (tree / "src/raab" / one).mkdir()
        (tree / "src/raab" / one / "link").symlink_to(f"../{other}")
    with pytest.raises(RaabError, match="a folder it lies in"):
        trees.look(tree)


def test_a_name_that_no_wheel_carries(tree: Path) -> None:
    (tree / "src/raab/a\nb.txt").write_text("")
    with pytest.raises(RaabError, match="a file name that no wheel carries"):
        trees.look(tree)
