"""The master's and workers' own lines, for journald: one JSON object a line, with its priority in front (sd-daemon(3))."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timezone
from typing import Any

from gunicorn.glogging import Logger

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class JournalLogger(Logger):
    """gunicorn's logger; under systemd, whose journal keeps the time and takes the priority, with lines to match."""

    def setup(self, cfg: Any) -> None:
        """As gunicorn's; called at the start and at each reload."""
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
            "message": record.getMessage(),
            "pid": record.process,
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return f"<{priority}>{json.dumps(line)}"
