"""What others have written, as people are told it."""

from __future__ import annotations

import pytest

from raab.plain import last_words

RAISED = """Traceback (most recent call last):
  File "x.py", line 1, in <module>
    import y
    ^^^^^^^^
ModuleNotFoundError: No module named 'y'
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", ""),
        ("where: what, got x\nhint: do y\n", "where: what, got x\nhint: do y"),
        ("  indented\n", "indented"),
        (RAISED, "ModuleNotFoundError: No module named 'y'"),
        (f"a warning\n{RAISED}", "ModuleNotFoundError: No module named 'y'"),
        (
            f"{RAISED}\nDuring handling of the above exception, another exception occurred:\n\n{RAISED}",
            "ModuleNotFoundError: No module named 'y'",
        ),
        ("Traceback (most recent call last):\n  File\nRaabError: what\nhint: do\n", "RaabError: what\nhint: do"),
    ],
)
def test_frames_are_left_out(said: str, told: str) -> None:
    assert last_words(said) == told
