"""Logging from logging.yaml. Two formats, each of them one line an event that nothing a client sends can break or forge."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec
from pythonjsonlogger.json import JsonFormatter as _JsonFormatter

from raab import exitcodes
from raab.errors import RaabError
from raab.release import current_release
from raab.settings.schema import Logging
from raab.web.context import request_id
from raab.web.edge.access import AccessLog, column_line, json_line

# journald reads a priority from the start of each line (SyslogLevelPrefix=, on by default) and takes it off.
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
# journald breaks a line of more than 48 KiB in two (journald.conf(5), LineMax=), and the second half may begin with anything.
_LONGEST = 48 * 1024 - 256
# Characters that are always left of a member, and how many members when there are too many of them.
_LEAST, _MEMBERS = 200, 20
# Python's line ends and everything that a terminal obeys, shown instead of done.
_VISIBLE = {code: ascii(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


def configure_logging(logging_settings: Logging) -> None:
    """Sets up this process's logging. Raises RaabError when logging.config refuses it."""
    options = {"version": 1, "disable_existing_loggers": False, **msgspec.to_builtins(logging_settings)}
    try:
        logging.config.dictConfig(options)
    except (ValueError, TypeError, AttributeError, ImportError, OSError) as error:
        reason = f"{error}" + (f" ({error.__cause__})" if error.__cause__ else "")
        raise RaabError(
            f"logging.yaml: logging.config refuses it, got {reason}", "compare with raab's own logging.yaml", exitcodes.BAD_INPUT
        ) from error


@contextlib.contextmanager
def kept_logging() -> Iterator[None]:
    """Puts the process's logging back in force when an application imported meanwhile has replaced it, as a Django project and others
    do that take the process for theirs. Handlers that were only added stay."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    known = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger) and not logger.disabled]
    yield
    if not set(handlers) <= set(root.handlers):
        root.handlers[:] = handlers
        root.setLevel(level)
    for logger in known:
        # disable_existing_loggers, which is logging.config's default.
        logger.disabled = False


def access_log() -> AccessLog | None:
    """The access log in the place and form of the root logger's first stream handler; None where `raab.access` is switched off or
    nothing is set up."""
    if not logging.getLogger("raab.access").isEnabledFor(logging.INFO):
        return None
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler) and handler.formatter:
            as_json = isinstance(handler.formatter, JsonFormatter)
            return AccessLog(handler.stream, json_line if as_json else column_line, batch=as_json)
    return None


class JsonFormatter(_JsonFormatter):
    """One JSON object a line, with journald's priority in front. ASCII only, so no character ends the line but its own end."""

    def __init__(self) -> None:
        super().__init__(json_ensure_ascii=True)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        when = datetime.fromtimestamp(record.created, timezone.utc)
        ours = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
        }
        if request_id.get():
            ours["request"] = request_id.get()
        if record.levelno >= logging.WARNING:
            ours |= {"at": f"{record.pathname}:{record.lineno}", "release": current_release().id}
        log_data.update(ours)
        super().add_fields(log_data, record, message_dict)
        # Again, for what `extra` holds under the same name: Django's loggers put a request object there.
        log_data.update(ours)

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """One that is too long is cut in the middle of what makes it so, and stays JSON."""
        text, kept = super().jsonify_log_record(log_data), _LONGEST
        while len(text) > _LONGEST and kept > _LEAST:
            kept //= 2
            text = super().jsonify_log_record({name: self._shortened(value, kept) for name, value in log_data.items()})
        if len(text) > _LONGEST:
            # So many members: those that every line has, which are the first.
            text = super().jsonify_log_record({name: self._shortened(log_data[name], _LEAST) for name in [*log_data][:_MEMBERS]})
        return text

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = super().format(record)
        except Exception as error:
            # logging would print a traceback, of which each line were an event.
            told = f"{record.msg!r}, and what belongs to it cannot be shown: {type(error).__name__}"
            text = super().format(logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, told, (), None))
        return f"<{_priority(record.levelno)}>{text}"

    def _shortened(self, value: Any, kept: int) -> Any:
        text = value if isinstance(value, str) else super().jsonify_log_record({"": value})
        half = kept // 2
        return value if len(text) <= kept else f"{text[:half]} [... {len(text) - 2 * half} characters cut ...] {text[-half:]}"


class ColumnFormatter(logging.Formatter):
    """Columns for people; what belongs to one event is indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        shown = f"  [{request_id.get()}]" if request_id.get() else ""
        line = f"{clock} {record.levelname:8} {record.name}: {record.getMessage().translate(_VISIBLE)}{shown}"
        if record.exc_info:
            for below in self.formatException(record.exc_info).split("\n"):
                line += f"\n    {below.translate(_VISIBLE)}"
        return line


def _priority(level: int) -> int:
    """The nearest priority at or below a level, for levels between the named ones."""
    return next((priority for named, priority in reversed(_PRIORITY.items()) if level >= named), 7)
