"""The lines that the master writes to the journal."""

from __future__ import annotations

import json
import logging
import sys

from handover.settings.journal import JournalFormatter


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("gunicorn.error", level, __file__, 1, message, (), None)


def test_a_line_has_a_priority_and_is_one_object() -> None:
    """journald takes the priority off; what a client may have put into a message cannot begin a line of its own."""
    line = JournalFormatter().format(record(logging.WARNING, "Invalid request: x\n<0>forged \u2028"))
    assert line.startswith("<4>{") and "\n" not in line and "\u2028" not in line
    assert json.loads(line[3:])["message"] == "Invalid request: x\n<0>forged \u2028"


def test_a_traceback_is_part_of_its_line() -> None:
    """Otherwise each of its lines would be an event of its own."""
    try:
        raise ValueError("wrong")
    except ValueError:
        failed = record(logging.ERROR, "failed")
        failed.exc_info = sys.exc_info()
    line = JournalFormatter().format(failed)
    assert "\n" not in line and "ValueError: wrong" in json.loads(line[3:])["exc_info"]
