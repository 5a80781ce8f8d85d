"""`raab` while nobody can be told: standard output full, closed, or a pipe without a reader. Nowhere a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [("| true", 0, ""), (">&-", 0, ""), (">/dev/full", 1, "this machine: No space left on device"), ("2>&- >/dev/null", 0, "")],
)
@pytest.mark.parametrize("verb", ["config", "metrics"])
def test_no_verb_minds(verb: str, end: str, code: int, said: str) -> None:
    """What was asked for and could not be written is no success, unless its reader has gone by choice."""
    line = f"{sys.executable} -m raab.host {verb} {end}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(("bash", "-c", line), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.partition("\n")[0]) == (code, said), done.stderr
