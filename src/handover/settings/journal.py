"""The master's and workers' own lines, for journald: one JSON object a line, with its priority in front (sd-daemon(3))."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timezone
from typing import Any

from gunicorn.glogging import Logger

from handover.outside.output import adopt

# journald takes a line of 48 KiB (journald.conf(5), LineMax=); what is longer it breaks in two, and the second half may begin with
# anything.
_LONGEST = 48 * 1024 - 256
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class JournalLogger(Logger):
    """gunicorn's logger; under systemd, whose journal keeps the time and takes the priority, with lines to match."""

    def setup(self, cfg: Any) -> None:
        """As gunicorn's; called at the start and at each reload."""
        adopt()
        super().setup(cfg)
        if "JOURNAL_STREAM" in os.environ:
            for handler in self.error_log.handlers:
                handler.setFormatter(JournalFormatter())


class JournalFormatter(logging.Formatter):
    """A traceback is part of its line, and ASCII leaves no character that could end it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        stamp = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {
            "time": stamp.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "pid": record.process,
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        text, kept = json.dumps(line), _LONGEST
        while len(text) > _LONGEST:
            kept //= 2
            text = json.dumps({name: _shortened(value, kept) if isinstance(value, str) else value for name, value in line.items()})
        return f"<{priority}>{text}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        # logging would print a traceback, of which each line were an event.
        return f"{record.msg!r}, and arguments that do not fit: {type(error).__name__}"


def _shortened(text: str, kept: int) -> str:
    """Its beginning and its end; of a traceback both are wanted."""
    half = kept // 2
    return text if len(text) <= kept else f"{text[:half]} [... {len(text) - 2 * half} characters cut ...] {text[-half:]}"
