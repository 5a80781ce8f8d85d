"""A command gets the secrets that its release names, and nobody sees them pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raab import launch
from raab.errors import RaabError

SRC = Path(launch.__file__).parent.parent


def test_each_secret_is_found_by_its_name(tmp_path: Path) -> None:
    """What a host gives by the very name counts first; an editor's newline is no part of it."""
    for name, content in {"raab_A": "plain\n", "sealed_B": "two\nlines\r\n", "raab_C": "old", "C": "own", "raab_D": "not named"}.items():
        (tmp_path / name).write_bytes(content.encode())
    assert launch.read(tmp_path, ("A", "B", "C")) == {"A": "plain", "B": "two\nlines", "C": "own"}
    with pytest.raises(RaabError, match=r"got none for X, Y\nhint: fab secrets set X"):
        launch.read(tmp_path, ("X", "A", "Y"))


def test_outside_of_a_release_nothing_is_taken() -> None:
    environ = {"A": "1"}
    launch.take(environ)
    assert environ == {"A": "1"}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release with raab's own code, as far as this takes it."""
    folder = tmp_path / "release"
    (folder / "lib/raab").mkdir(parents=True)
    for name in ("__init__", "errors", "launch", "release"):
        (folder / f"lib/raab/{name}.py").write_text((SRC / f"raab/{name}.py").read_text())
    about = {"id": "x", "version": "1", "commit": "", "secrets": ["KEY", "SET"]}
    (folder / "manifest.json").write_text(json.dumps(about))
    (tmp_path / "given").mkdir()
    (tmp_path / "given/raab_KEY").write_text("hush\n")
    return folder


def run(release: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "raab.launch", *words)
    own = {"PYTHONPATH": str(release / "lib"), "CREDENTIALS_DIRECTORY": str(release.parent / "given"), "PATH": "/usr/bin:/bin", **environ}
    return subprocess.run(command, env=own, cwd="/", capture_output=True, text=True)


def test_it_becomes_the_command(release: Path) -> None:
    """By its own words, with its own exit code; what the host has set itself stays."""
    done = run(release, "/bin/sh", "-c", 'echo "$KEY, $SET, $1" $$; exit 7', "x", "a  b", SET="here")
    assert (done.returncode, done.stdout.rpartition(" ")[0]) == (7, "hush, here, a  b")
    assert run(release, "no-such-command", SET="x").returncode == 127


def test_without_a_secret_nothing_is_run(release: Path) -> None:
    done = run(release, "/bin/echo", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "secrets: this host does not have them, got none for SET\nhint: fab secrets set SET\n"
