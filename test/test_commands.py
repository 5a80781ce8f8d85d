"""The two commands for tests: what takes minutes is left to `make prove`, and nothing is left to neither."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
import pytest

def test_short(): pass

@pytest.mark.prove
def test_long(): pass

@pytest.mark.parametrize("size", [1, pytest.param(99, marks=pytest.mark.prove)])
def test_sizes(size): pass
"""


def make(*words: str) -> str:
    """What it prints; within `make test`, too, where it would say on standard output which folder it is in."""
    return subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def recipe(target: str) -> list[str]:
    """The command that make runs for the target, after what prepares it."""
    return make("--dry-run", "--always-make", target).splitlines()[-1].split()


@pytest.mark.parametrize(
    ("target", "chosen"), [("test", ["test_short", "test_sizes[1]"]), ("prove", ["test_long", "test_sizes[99]"])], ids=["test", "prove"]
)
def test_make_test_leaves_to_make_prove_what_is_marked_and_nothing_else(tmp_path: Path, target: str, chosen: list[str]) -> None:
    """With the project's own settings and the very words of the Makefile."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "test_some.py").write_text(TESTS)
    command, *options = recipe(target)
    assert command == ".venv/bin/pytest"
    words = [sys.executable, "-m", "pytest", *options, "--collect-only", "-q", "--no-header"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.findall(r"^test/test_some\.py::(\S+)$", done.stdout, re.MULTILINE) == chosen


def test_every_target_says_what_it_is_for() -> None:
    targets = {line.split()[1] for line in make("help").splitlines()}
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony and targets == {*phony[1].split()} - {"packages"}
