"""`raab trial`: load this release as a worker would, in a process that nobody is served by."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from raab.asked.loading import load_and_tell
from raab.errors import RaabError
from raab.factory.configFactory import load_settings
from raab.host.paths import here

_CHECK = "/readyz"


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the release loads and says that it is ready, and a line about how its workers would load it; else a RaabError
    with the reason.
    """
    application, how = load()
    from handover.workers.check import check

    try:
        check(application, _CHECK)
    except Exception as error:
        raise RaabError(f"trial: the release is not ready, got {error}", "make it ready, or deploy a release that is") from error
    print(how)
    return 0


def load() -> tuple[Any, str]:
    """The application, and one line about how its workers would load it. Raises RaabError with the reason when it does not load.

    The order is that of a worker's boot: gunicorn's configuration, gevent's patches, the application.
    """
    server = load_settings().server
    root = Path(sys.prefix).parent
    _end_after(server.load_timeout)
    configured = _configure(root / "gunicorn.py")
    from gevent import monkey

    monkey.patch_all()
    configured.on_starting.prepare()
    return load_and_tell(server, lambda: _load(configured.wsgi_app))


def _end_after(seconds: float) -> None:
    """An import that hangs shall not hang who waits for the trial (who has a limit too, should this thread never run)."""

    def give_up() -> None:
        print(
            f"trial: the application did not load within {seconds:g} s\nhint: find what it waits for, or raise load_timeout",
            file=sys.stderr,
        )
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def _configure(config: Path) -> Any:
    """Have gunicorn read its configuration file, and return what it has of it. It prints what is wrong and exits, which is turned into an
    error here."""
    said = io.StringIO()
    argv, sys.argv = sys.argv, ["gunicorn", "-c", str(config)]
    try:
        from gunicorn.app.wsgiapp import WSGIApplication

        with contextlib.redirect_stderr(said):
            return WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").cfg
    except ImportError as error:
        raise RaabError(f"trial: the release lacks a part of its server, got {error}", "deploy it again") from error
    except (Exception, SystemExit) as error:
        lines = [line for line in said.getvalue().splitlines() if line.strip()] or [f"{type(error).__name__}: {error}"]
        raise RaabError(f"trial: {config.name} is refused by gunicorn, got {lines[-1]}", f"{here(os.environ).typed} check") from error
    finally:
        sys.argv = argv


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except BaseException as error:  # an application may call sys.exit when it is imported
        if isinstance(error, RaabError | KeyboardInterrupt):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        if isinstance(error, SyntaxError) and error.filename:
            where = traceback.FrameSummary(error.filename, error.lineno or 0, "")
        raise RaabError(
            f"trial: the application does not load, got {type(error).__name__}: {error} ({where.filename}:{where.lineno})",
            "raab --debug trial shows the whole traceback",
        ) from error
