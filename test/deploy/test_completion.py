"""The shell completes verbs and options, as the readme says it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = 'eval "$(fab --print-completion-script bash)"; COMP_WORDS=({words}); _complete_fab fab "{word}"; echo "${{COMPREPLY[@]}}"'


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fab roll", {"rollback"}),
        ("fab re", {"reboot", "releases", "reload", "remove", "restart"}),
        ("fab deploy --d", {"--debug", "--dry-run"}),
    ],
)
def test_bash_completes(words: str, expected: set[str]) -> None:
    """By the script that fab itself prints, in a real bash."""
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    script = SCRIPT.format(words=words, word=words.split()[-1])
    done = subprocess.run(("bash", "-c", script), cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected
