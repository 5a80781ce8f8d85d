"""What fails in the background of a worker, in no request: one line of the log for each, with its traceback.

Python and gevent print such a traceback themselves, line by line, and what an exception says is often a client's word: it could begin a
line of its own, with a priority of its choice (sd-daemon(3)).
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from typing import Any

from gevent.hub import Hub


def watch(log: logging.Logger) -> None:
    """Have `log` told of what greenlets, threads, finalizers and the main program raise and nobody catches."""

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

    # gevent's documented way replaces the method of one hub, and each thread has its own.
    Hub.print_exception = in_greenlet  # type: ignore[method-assign, assignment]
    threading.excepthook = in_thread
    sys.unraisablehook = in_finalizer
    sys.excepthook = lambda kind, error, traceback: tell("not caught", kind, error, traceback)


def described(thing: object) -> str:
    """What it is, also when it cannot say so itself."""
    try:
        return thing if isinstance(thing, str) else repr(thing)
    except Exception:
        return object.__repr__(thing)
