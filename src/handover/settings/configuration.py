"""gunicorn's settings, which are a program: run again at a reload, and never to the harm of those in force."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator

from handover.settings.pin import pinned


def refused(read: Callable[[], None], apply: Callable[[], None]) -> str:
    """Why settings could not be read or applied; empty when they were. gunicorn prints what is wrong and exits (gunicorn/app/base.py,
    do_load_config)."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            read()
        apply()
    except (Exception, SystemExit) as error:
        return _last_words(said.getvalue()) or f"{type(error).__name__}: {error}"
    return ""


def _last_words(said: str) -> str:
    """The error's name and text below the last traceback, which may have several lines, and its place unless it says what to do."""
    above, _, last = said.rpartition("Traceback (most recent call last):\n")
    frames = [line for line in last.splitlines() if line.startswith(" ")]
    told = "\n".join(line for line in last.splitlines() if not line.startswith(" ")).strip() if above else said.strip()
    places = re.findall(r'^  File "(.+)", line (\d+)', "\n".join(frames), re.MULTILINE)
    return told if "\nhint: " in told or not places else f"{told} ({places[-1][0]}:{places[-1][1]})"


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
