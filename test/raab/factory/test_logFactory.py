"""Log lines: one an event, and nothing that a client sends can break or forge one."""

from __future__ import annotations

import contextvars
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raab.errors import RaabError
from raab.factory.configFactory import load_settings
from raab.factory.logFactory import ColumnFormatter, JsonFormatter, configure_logging
from raab.web.context import request_id


def record(message: str, *args: object, level: int = logging.INFO, exc_info: object = None) -> logging.LogRecord:
    return logging.LogRecord("shop", level, "cart.py", 7, message, args, exc_info)  # type: ignore[arg-type]


def crash(text: str) -> object:
    try:
        raise ValueError(text)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize(("level", "priority"), [(10, 7), (20, 6), (25, 6), (30, 4), (40, 3), (50, 2), (5, 7)])
def test_journald_is_told_the_priority(level: int, priority: int) -> None:
    """By a prefix that it takes off again."""
    assert JsonFormatter().format(record("x", level=level)).startswith(f"<{priority}>{{")


def test_json_says_when_where_and_for_which_request() -> None:
    """And what a call passes in `extra`."""
    token = request_id.set("abc")
    try:
        entry = record("bought %s", "two")
        entry.basket = 3
        entry.request = "an object of Django's"
        said = json.loads(JsonFormatter().format(entry)[3:])
    finally:
        request_id.reset(token)
    assert (said["message"], said["level"], said["logger"], said["request"], said["basket"]) == ("bought two", "INFO", "shop", "abc", 3)
    assert said["time"].endswith("Z")


def test_a_line_outside_of_requests_names_none() -> None:
    """No empty field for what is not there."""
    # As in a context of its own, whatever requests were made in this one before.
    said = contextvars.Context().run(JsonFormatter().format, record("x"))
    assert "request" not in json.loads(said[3:])


def test_a_warning_says_from_which_line_and_release() -> None:
    """What somebody at night wants to know first."""
    said = json.loads(JsonFormatter().format(record("x", level=logging.WARNING))[3:])
    assert (said["at"], said["release"]) == ("cart.py:7", "development")


@given(st.text())
def test_no_text_can_forge_a_line(text: str) -> None:
    """Whatever is logged, in the message, as an argument or in an exception, JSON stays one line and columns have one at the margin."""
    for entry in (record(text.replace("%", "%%")), record("%s", text), record("x", exc_info=crash(text))):
        line = JsonFormatter().format(entry)
        assert len(line.splitlines()) == 1
        assert json.loads(line[3:])
        columns = ColumnFormatter().format(entry)
        assert all(below.startswith("    ") for below in columns.split("\n")[1:])
        assert all(character.isprintable() or character == "\n" for character in columns if ord(character) < 0xA0)


@pytest.mark.parametrize(
    "entry",
    [
        record("begin %s end", "x" * 200_000),
        record("begin %s end", "\u2028" * 200_000),
        record("x", exc_info=crash("<0>forged\n" * 50_000)),
        logging.makeLogRecord({"msg": "x", "levelno": 30, "levelname": "WARNING", "name": "shop", "basket": ["\n<0>forged"] * 20_000}),
        logging.makeLogRecord(
            {"msg": "x", "levelno": 30, "levelname": "WARNING", "name": "shop", **{f"n{number}": "\u2028" * 300 for number in range(2000)}}
        ),
    ],
)
def test_a_line_is_never_longer_than_journald_takes(entry: logging.LogRecord) -> None:
    """It would break it in two, and the second half could begin with a priority."""
    line = JsonFormatter().format(entry)
    assert len(line) < 48 * 1024
    said = json.loads(line[3:])
    assert {"time", "level", "logger", "message"} <= set(said)
    assert "characters cut" in line


def test_a_line_that_cannot_be_made_is_one_line() -> None:
    """logging itself would print a traceback, of which each line were an event."""

    class Evil:
        def __str__(self) -> str:
            raise ValueError("\n<0>forged")

    for entry in (record("%s and %s", "one"), record("%s", Evil())):
        said = json.loads(JsonFormatter().format(entry)[3:])
        assert "cannot be shown" in said["message"]
        assert "forged" not in said["message"]


def test_wrong_logging_settings_are_one_error(tmp_path: Path) -> None:
    """A handler that does not exist is found by raab, a class that cannot be imported by logging.config; both without a traceback."""
    settings = load_settings({"RAAB_LOGGING__HANDLERS__STDERR__CLASS": "no.such.Handler"}, tmp_path)
    with pytest.raises(RaabError, match=r"logging\.yaml: logging\.config refuses it, got .*stderr"):
        configure_logging(settings.logging)
    with pytest.raises(RaabError, match=r"names the handler 'syslog', which does not exist"):
        load_settings({"RAAB_LOGGING__ROOT__HANDLERS": "[syslog]"}, tmp_path)


@pytest.mark.parametrize(("environment", "start"), [("production", "<4>{"), ("development", "")])
def test_each_environment_has_its_format(environment: str, start: str) -> None:
    """JSON for journald, columns for people; libraries' loggers included."""
    code = (
        "import logging; from raab.factory.configFactory import load_settings; from raab.factory.logFactory import configure_logging;"
        "configure_logging(load_settings().logging); logging.getLogger('gunicorn.error').warning('a\\nb')"
    )
    environ = {"RAAB_ENVIRONMENT": environment}
    said = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stderr
    assert said.startswith(start)
    assert said.count("\n") == 1
    assert "gunicorn.error" in said
