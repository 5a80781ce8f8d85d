"""gunicorn's settings, which are a program: run again at a reload, and never to the harm of those in force."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from itertools import dropwhile

from handover import fingerprint
from handover.pin import pinned


def refused(read: Callable[[], None], apply: Callable[[], None]) -> str:
    """Why settings could not be read or applied; empty when they were. gunicorn prints what is wrong and exits (gunicorn/app/base.py,
    do_load_config)."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            read()
        apply()
    except (Exception, SystemExit) as error:
        sys.stderr.write(said.getvalue())
        # Below the last traceback, the error's name and text; they may have several lines.
        last = said.getvalue().rpartition("Traceback (most recent call last):\n")[2].splitlines()
        told = "\n".join(dropwhile(lambda line: line.startswith(" "), last)).strip()
        return told or f"{type(error).__name__}: {error}"
    return ""


@contextlib.contextmanager
def as_if_current(root: str, release: str) -> Iterator[None]:
    """Have gunicorn find its configuration file in a release that the link does not lead to; it knows the path from its arguments."""
    arguments = sys.argv
    sys.argv = [pinned(word, root, release) for word in arguments] if release else arguments
    try:
        yield
    finally:
        sys.argv = arguments


def another_program(config: str, current: str, release: str) -> str:
    """The name of the settings' file when it differs in `release`: what it does has been tried in this process, or it shall not be tried
    here first."""
    name = os.path.basename(config)
    try:
        with open(os.path.join(current, name), "rb") as ours, open(os.path.join(release, name), "rb") as theirs:
            return "" if ours.read() == theirs.read() else name
    except OSError:
        return name


def beyond_reload(prints: dict[str, str], root: str, release: str) -> str:
    """What has changed that this master has loaded itself, since `prints` were taken."""
    return ", ".join(fingerprint.differences(prints, fingerprint.of_master(root, release)))
