"""What fails in the background of a worker, in no request, and what Python warns of: one line of the log for each, with its traceback.

Python and gevent print such a traceback themselves, line by line, and what an exception says is often a client's word: it could begin a
line of its own, with a priority of its choice (sd-daemon(3)).
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from typing import Any, TextIO

from gevent.hub import Hub


def watch(log: logging.Logger) -> None:
    """Have `log` told of what greenlets, threads, finalizers, handlers of logs and the main program raise and nobody catches, and of what
    is warned of."""
    of_handlers = log.getChild("handlers")

    def tell(what: str, kind: Any, error: Any, traceback: Any) -> None:
        # Called where nothing may be raised.
        with contextlib.suppress(Exception):
            log.error("%s", what, exc_info=(kind, error, traceback) if error is not None else None)

    def in_greenlet(hub: Hub, context: object, kind: Any, error: Any, traceback: Any) -> None:
        tell(f"{described(context)} failed with {getattr(kind, '__name__', kind)}", kind, error, traceback)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            tell(f"thread {args.thread.name if args.thread else '?'} failed", args.exc_type, args.exc_value, args.exc_traceback)

    def in_finalizer(args: Any) -> None:
        tell(f"{args.err_msg or 'ignored an error in'}: {described(args.object)}", args.exc_type, args.exc_value, args.exc_traceback)

    def in_handler(handler: logging.Handler, record: logging.LogRecord) -> None:
        # A handler that fails with each line fails with this one.
        if logging.raiseExceptions and record.name != of_handlers.name:
            with contextlib.suppress(Exception):
                of_handlers.error("%s failed with a line of %s", described(handler), record.name, exc_info=True)

    def warned(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
    ) -> None:
        if file is not None:
            usual(message, category, filename, lineno, file, line)
            return
        with contextlib.suppress(Exception):
            log.warning("%s", warnings.formatwarning(message, category, filename, lineno, line).rstrip())

    # gevent's documented way replaces the method of one hub, and each thread has its own.
    Hub.print_exception = in_greenlet  # type: ignore[method-assign, assignment]
    threading.excepthook = in_thread
    sys.unraisablehook = in_finalizer
    logging.Handler.handleError = in_handler  # type: ignore[method-assign, assignment]
    usual, warnings.showwarning = warnings.showwarning, warned
    sys.excepthook = lambda kind, error, traceback: tell("not caught", kind, error, traceback)


def described(thing: object) -> str:
    """What it is, also when it cannot say so itself."""
    try:
        return thing if isinstance(thing, str) else repr(thing)
    except Exception:
        return object.__repr__(thing)
