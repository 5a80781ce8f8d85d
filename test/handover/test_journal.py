"""The lines that the master writes to the journal."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from handover.settings.journal import JournalFormatter


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("gunicorn.error", level, __file__, 1, message, (), None)


def test_a_line_has_a_priority_and_is_one_object() -> None:
    """journald takes the priority off; what a client may have put into a message cannot begin a line of its own."""
    line = JournalFormatter().format(record(logging.WARNING, "Invalid request: x\n<0>forged \u2028"))
    assert line.startswith("<4>{") and "\n" not in line and "\u2028" not in line
    assert json.loads(line[3:])["message"] == "Invalid request: x\n<0>forged \u2028"


@pytest.mark.parametrize("text", ["x" * 200_000, "\u2028" * 200_000])
def test_a_line_is_never_longer_than_journald_takes(text: str) -> None:
    """It would break it in two, and the second half could begin with a priority. Beginning and end stay."""
    line = JournalFormatter().format(record(logging.ERROR, f"begin {text} end"))
    assert len(line) < 48 * 1024
    message = json.loads(line[3:])["message"]
    assert message.startswith("begin ") and message.endswith(" end") and "characters cut" in message


def test_a_line_that_cannot_be_made_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """logging itself would print a traceback."""
    entry = record(logging.ERROR, "%s and %s")
    entry.args = ("one\n<0>forged",)
    assert json.loads(JournalFormatter().format(entry)[3:])["message"] == "'%s and %s', and arguments that do not fit: TypeError"
    assert capsys.readouterr().err == ""


def test_a_traceback_is_part_of_its_line() -> None:
    """Otherwise each of its lines would be an event of its own."""
    try:
        raise ValueError("wrong")
    except ValueError:
        failed = record(logging.ERROR, "failed")
        failed.exc_info = sys.exc_info()
    line = JournalFormatter().format(failed)
    assert "\n" not in line and "ValueError: wrong" in json.loads(line[3:])["exc_info"]
