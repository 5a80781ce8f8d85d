"""The two commands for tests: what takes minutes is left to `make prove`, and nothing is left to neither."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
import pytest

def test_short(): pass

@pytest.mark.lab
def test_host(): pass

@pytest.mark.prove
def test_long(): pass

@pytest.mark.lab
@pytest.mark.prove
def test_long_host(): pass

@pytest.mark.parametrize("size", [1, pytest.param(99, marks=pytest.mark.prove)])
def test_sizes(size): pass
"""
DEPLOY = """
import pytest

@pytest.mark.lab
def test_deploy(): pass

@pytest.mark.lab
@pytest.mark.prove
def test_long_deploy(): pass
"""


def make(*words: str) -> str:
    """What it prints; within `make test`, too, where it would say on standard output which folder it is in."""
    return subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def recipes(target: str) -> list[list[str]]:
    """The options of each pytest that make runs for the target."""
    lines = make("--dry-run", "--always-make", target).splitlines()
    runs = [line.partition(".venv/bin/pytest ")[2] for line in lines if ".venv/bin/pytest " in line]
    return [shlex.split(line.partition(" >")[0]) for line in runs]


@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        ("test", ["test_deploy", "test_host", "test_short", "test_sizes[1]"]),
        ("prove", ["test_long", "test_long_deploy", "test_long_host", "test_sizes[99]"]),
    ],
    ids=["test", "prove"],
)
def test_make_test_leaves_to_make_prove_what_is_marked_and_nothing_else(tmp_path: Path, target: str, chosen: list[str]) -> None:
    """With the project's own settings and the very words of the Makefile; each once, whatever runs beside what."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for folder in ("test", "test/lab/deploy"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "test_some.py").write_text(TESTS if folder == "test" else DEPLOY)
    found = []
    for options in recipes(target):
        words = [sys.executable, "-m", "pytest", *options, "--collect-only", "-q", "--no-header"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        found += re.findall(r"^test/.*test_some\.py::(\S+)$", done.stdout, re.MULTILINE)
    assert sorted(found) == chosen


def test_every_target_says_what_it_is_for() -> None:
    targets = {line.split()[1] for line in make("help").splitlines()}
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony and targets == {*phony[1].split()} - {"packages", "deploys", "hosts", "no-hosts"}
