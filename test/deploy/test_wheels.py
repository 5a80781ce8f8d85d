from __future__ import annotations

from pathlib import Path

import pytest

from raab.deploy import wheels
from raab.deploy.wheels import Platform
from raab.errors import RaabError

DEBIAN = Platform("3.11.2", "CPython", "glibc 2.36", "x86_64")
LOCK = """\
# made by a tool
flask==3.1.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via raab (setup.py)
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
tomli==2.0 ; python_version < '3.11' --hash=sha256:dd
gevent==26.9.0 ; platform_python_implementation == 'CPython' --hash=sha256:ee
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(LOCK)
    return file


def test_markers_are_those_of_the_host(lock: Path) -> None:
    """Not of the machine that runs pip."""
    assert wheels.requirements(lock, DEBIAN) == (
        "flask==3.1.3 --hash=sha256:aa --hash=sha256:bb",
        "gevent==26.9.0 --hash=sha256:ee",
    )
    older = Platform("3.10.1", "CPython", "glibc 2.36", "x86_64")
    assert "tomli==2.0 --hash=sha256:dd" in wheels.requirements(lock, older)


def test_one_project_alone(lock: Path) -> None:
    assert wheels.requirements(lock, DEBIAN, only="gevent") == ("gevent==26.9.0 --hash=sha256:ee",)
    with pytest.raises(RaabError, match="uv is not in it"):
        wheels.requirements(lock, DEBIAN, only="uv")


def test_a_lock_that_is_none(lock: Path) -> None:
    lock.write_text("flask === = 3\n")
    with pytest.raises(RaabError, match="not a requirement, got flask"):
        wheels.requirements(lock, DEBIAN)


def test_a_newer_libc_runs_the_wheels_of_every_older_one() -> None:
    tags = DEBIAN.tags
    assert tags[0] == "manylinux_2_36_x86_64"
    assert {"manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64"} <= set(tags)
    assert "manylinux_2_37_x86_64" not in tags


@pytest.mark.parametrize("libc", ["", "musl 1.2", "glibc 3.0"])
def test_a_libc_without_wheels_is_refused(libc: str) -> None:
    with pytest.raises(RaabError, match="no wheels are known for this libc"):
        _ = Platform("3.11.2", "CPython", libc, "x86_64").tags


def test_a_missing_wheel_is_named() -> None:
    said = "ERROR: Could not find a version that satisfies the requirement gevent==26.9.0 (from versions: none)\n"
    assert "no wheel of gevent==26.9.0 fits Python 3.11.2 on x86_64 with glibc 2.36" in wheels.missing(said, DEBIAN).message
    assert "timed out" in wheels.missing("ERROR: timed out", DEBIAN).message


def test_what_was_fetched_once_is_only_read(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip runs for the first deploy with a lock to a platform, and not again."""
    calls = []

    def download(wanted: tuple[str, ...], platform: Platform, home: Path) -> None:
        calls.append(wanted)
        home.mkdir(parents=True)
        (home / "index.json").write_text('[{"name": "flask.whl", "sha256": "aa", "size": 3}]')

    monkeypatch.setattr(wheels, "download", download)
    first = wheels.fetch(tmp_path, lock, DEBIAN)
    assert wheels.fetch(tmp_path, lock, DEBIAN) == first
    assert len(calls) == 1
    wheels.fetch(tmp_path, lock, Platform("3.13.1", "CPython", "glibc 2.41", "x86_64"))
    assert len(calls) == 2
