from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.systemd import last_words, readable, stop

RAISED = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nRuntimeError: no such table\nhint: see x.py:1'


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("raab.service: Failed with result 'exit-code'.", "raab.service: Failed with result 'exit-code'."),
        (json.dumps({"level": "INFO", "message": "Booting worker"}), ""),
        (json.dumps({"level": "ERROR", "message": "reload: refused"}), "reload: refused"),
        (
            json.dumps({"level": "ERROR", "message": "Exception in worker", "exc_info": RAISED}),
            "Exception in worker: RuntimeError: no such table",
        ),
        ("[1, 2]", ""),
    ],
)
def test_of_a_log_line_a_person_sees_what_matters(line: str, shown: str) -> None:
    assert readable(line) == shown


def test_a_service_that_is_started_again_and_again_has_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd says of its coming and going is not all that is left of it."""
    why = json.dumps({"level": "ERROR", "message": "Worker cannot load", "exc_info": RAISED})
    around = ["Stopped raab.service - raab.", "Starting raab.service - raab...", "raab.service: Consumed 2.1s CPU time."]
    lines = [
        why,
        "raab.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED",
        "raab.service: Failed with result 'exit-code'.",
    ]
    lines += [*(f"raab.service: Scheduled restart job, restart counter is at {number}." for number in range(5)), *around]
    (tmp_path / "said").write_text("\n".join(lines))
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    (tmp_path / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert last_words("raab.service", 0.0).splitlines() == ["Worker cannot load: RuntimeError: no such table", *lines[1:3]]
    (tmp_path / "said").write_text("\n".join(around))
    assert last_words("raab.service", 0.0).splitlines() == around


@pytest.mark.parametrize(
    ("code", "state", "fails"), [(0, "inactive", False), (5, "inactive", False), (5, "active", True), (1, "inactive", True)]
)
def test_what_systemd_does_not_know_is_stopped(code: int, state: str, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file may be broken, or gone; while it runs, that is no success."""
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\n[ $1 = show ] && exec echo ActiveState={state}\nexit {code}\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(RaabError) if fails else contextlib.nullcontext():
        stop("raab@one.timer", "raab@other.timer")
