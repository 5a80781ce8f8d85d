from __future__ import annotations

import json

import pytest

from raab.host.systemd import readable

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
