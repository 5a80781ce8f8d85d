"""The lowest versions that setup.py allows, run once; all other tests run the locked ones."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from raab.drill.traffic.load import Load

if TYPE_CHECKING:
    from .conftest import Master

SRC = Path(__file__).parents[2] / "src"
NEEDED = [line for line in metadata.requires("raab") or () if "extra ==" not in line]
CONTRACTED = [needed for needed in map(Requirement, NEEDED) if needed.name in ("gunicorn", "gevent")]
# What uv says of an index that is not there, or that it was told not to ask.
UNREACHABLE = re.compile("[Ff]ailed to fetch|error sending request|[Rr]equest failed|network was disabled")


@pytest.fixture
def python(tmp_path: Path) -> str:
    """The interpreter of an environment with the lowest version of everything that setup.py names, and this tree's source."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(tmp_path / "venv")], check=True, capture_output=True)
    python = str(tmp_path / "venv/bin/python")
    # No builds: an environment that has to compile gevent first takes minutes.
    options = ("-q", "--resolution", "lowest-direct", "--no-build", "--python", python)
    done = subprocess.run([*uv, "pip", "install", *options, *NEEDED], capture_output=True, text=True, cwd=tmp_path)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("the lowest versions cannot be had: no package index answers")
    assert done.returncode == 0, done.stderr
    packages = subprocess.run([python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True)
    Path(packages.stdout.strip(), "src.pth").write_text(f"{SRC}\n")
    return python


def test_the_lowest_versions_hand_over(python: str, start: Callable[..., Master]) -> None:
    """Start, HUP, TTIN and stop, with requests all the while: what setup.py allows it has to mean."""
    told = "from importlib import metadata; print(*map(metadata.version, ('gevent', 'gunicorn')))"
    found = subprocess.run([python, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert [*map(Version, found)] == [*map(lowest, sorted(CONTRACTED, key=lambda one: one.name))]
    master = start(python=python)
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        os.kill(master.status()["pid"], signal.SIGHUP)
        master.wait(lambda: master.status()["generation"] == 2)
        os.kill(master.status()["pid"], signal.SIGTTIN)
        master.wait(lambda: [one["phase"] for one in master.status()["workers"]] == ["serving"] * 3)
        assert master.status()["reload"]["good"]
    assert load.account.failures == (), load.account.line()
    assert load.account.labels, "nothing was answered"
    os.kill(master.process.pid, signal.SIGTERM)
    assert master.process.wait(20) == 0


def lowest(requirement: Requirement) -> Version:
    return min(Version(one.version) for one in requirement.specifier if one.operator == ">=")


@pytest.mark.parametrize("needed", CONTRACTED, ids=lambda needed: needed.name)
def test_what_is_overridden_is_bounded_above(needed: Requirement) -> None:
    """A new major version is not taken before the contract has been read again, and the locked one is allowed."""
    assert any(one.operator == "<" for one in needed.specifier)
    assert metadata.version(needed.name) in needed.specifier
