"""deploy/requirements.lock, of the project's own lock and what raab needs; uv is asked for nothing here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raab.deploy.bundle import lockfile
from raab.deploy.bundle.lockfile import Locked
from raab.errors import RaabError
from raab.project import lock, runtime
from raab.project.wanted import find

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LOCKS = {
    "requirements.txt": f"flask==3.0.3 --hash={A}\ncolorama==0.4 ; sys_platform == 'win32' --hash={B}\n",
    "Pipfile.lock": json.dumps(
        {
            "default": {
                "flask": {"version": "==3.0.3", "hashes": [A]},
                "colorama": {"version": "==0.4", "hashes": [B], "markers": "sys_platform == 'win32'"},
            },
            "develop": {"pytest": {"version": "==8", "hashes": [A]}},
        }
    ),
    "pylock.toml": (
        'lock-version = "1.0"\n[[packages]]\nname = "Flask"\nversion = "3.0.3"\nwheels = [{name = "f.whl", hashes = {sha256 = "'
        + "a" * 64
        + '"}}]\n[[packages]]\nname = "colorama"\nversion = "0.4"\nmarker = "sys_platform == \'win32\'"\nsdist = {hashes = {sha256 = "'
        + "b" * 64
        + '"}}\n'
    ),
}


@pytest.mark.parametrize("name", LOCKS)
def test_what_a_lock_says_is_what_it_pins(name: str, tmp_path: Path) -> None:
    """Versions, markers and hashes; what only development needs is none of it."""
    (tmp_path / name).write_text(LOCKS[name])
    wanted = find(tmp_path)
    assert [(one.name, one.version, one.hashes) for one in wanted.pins] == [("flask", "3.0.3", (A,)), ("colorama", "0.4", (B,))]
    assert "win32" in wanted.pins[1].marker


def test_poetrys_versions_are_bounds_for_what_the_project_says(tmp_path: Path) -> None:
    lines = ('python = "^3.10"', 'flask = {version = "^3", extras = ["async"]}', 'extra = {version = "*", optional = true}')
    (tmp_path / "pyproject.toml").write_text("\n".join(("[tool.poetry.dependencies]", *lines)))
    (tmp_path / "poetry.lock").write_text(f'[[package]]\nname = "flask"\nversion = "3.0.3"\nfiles = [{{file = "f.whl", hash = "{A}"}}]\n')
    wanted = find(tmp_path)
    assert (wanted.loose, wanted.within) == (("flask[async]",), (Locked("flask", "3.0.3", "", "", (A,)),))


def test_the_lock_before_what_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask>=2\n")
    assert (find(tmp_path).file, find(tmp_path).loose) == ("requirements.txt", ("flask>=2",))
    (tmp_path / "pylock.toml").write_text(LOCKS["pylock.toml"])
    assert find(tmp_path).file == "pylock.toml"


def test_a_conflict_names_both_sides(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"gevent==21.12.0 --hash={A}\n")
    with pytest.raises(RaabError) as raised:
        lock.make(tmp_path)
    need = next(line for line in runtime.needs() if line.startswith("gevent"))
    (specifier,) = need.split("gevent", 1)[1:]
    said = f"requirements.txt: gevent 21.12.0 there, and raab {runtime.version()} needs gevent{specifier}"
    assert raised.value.message == said
    assert not (tmp_path / lock.LOCK).exists()


def test_nothing_that_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(RaabError, match="nothing says what the project depends on"):
        find(tmp_path)


def made(root: Path) -> None:
    """As uv would resolve it: of another build than the project's own lock has, and with what raab needs."""
    resolved = [Locked("flask", "3.0.3", "", "", (B,)), Locked("gevent", "26.9.0", "", "", (B,))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "resolve", lambda root, wanted: tuple(resolved))
        lock.make(root)


def test_the_projects_lock_decides_and_a_stale_one_says_the_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hashes, too. What has changed since, in the project or in raab, is named."""
    (tmp_path / "requirements.txt").write_text(f"flask==3.0.3 --hash={A}\n")
    made(tmp_path)
    there = lockfile.read(tmp_path / lock.LOCK)
    assert [(one.name, one.version, one.hashes) for one in there.locked] == [("flask", "3.0.3", (A,)), ("gevent", "26.9.0", (B,))]
    assert lock.stale(tmp_path) == ""
    (tmp_path / "requirements.txt").write_text(f"flask==3.1.0 --hash={A}\n")
    assert "flask 3.1.0 and 3.0.3 in deploy/requirements.lock" in lock.stale(tmp_path)
    (tmp_path / "requirements.txt").write_text(f"flask==3.0.3 --hash={A}\n")
    monkeypatch.setattr(runtime, "needs", lambda: ("gevent>=99",))
    assert lock.stale(tmp_path) == "gevent>=99 is not in it"


def test_the_places_of_an_index_stay_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in them may be a secret."""
    monkeypatch.setenv("TOKEN", "hidden")
    (tmp_path / "requirements.txt").write_text(f"--index-url https://${{TOKEN}}@index.example/simple\nflask==3.0.3 --hash={A}\n")
    made(tmp_path)
    text = (tmp_path / lock.LOCK).read_text()
    assert "--index-url https://${TOKEN}@index.example/simple\n" in text and "hidden" not in text
