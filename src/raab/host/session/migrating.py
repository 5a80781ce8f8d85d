"""What comes before any host is switched where a release has a database to migrate: that each host can load it, and the migration on one.
Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host import journal
from raab.host.paths import Paths
from raab.host.units import hook, lasting, sandbox, surroundings, unitfiles
from raab.host.units.inquiry import Inquiry
from raab.plain import plain
from raab.protocol import requests
from raab.protocol.answers import Line, Nothing, Timed
from raab.protocol.conversation import Event

Emit = Callable[[Event], None]
# Seconds. It keeps load_timeout itself, unless its code is beyond the reach of Python.
_LOADING = 900


def load(paths: Paths, request: requests.Load, emit: Emit) -> Nothing:
    """Raises RaabError with the release's reason when it cannot be imported."""
    release = ready(paths, request.release, emit)
    lines, words = sandbox.of_release(paths, release), f"{release}/venv/bin/python -I -m raab.host load"
    try:
        _, why = Inquiry(lines, words).finish(_LOADING)
    except TimeoutError:
        why = f"load: it did not load within {_LOADING} s\nhint: find what it waits for"
    if why:
        reason, _, hint = "\n".join(plain(line, 2000) for line in why.split("\n")).rpartition("\nhint: ")
        raise RaabError((reason or hint)[-2000:], hint if reason else "", exitcodes.FAILED)
    return Nothing()


def migrate(paths: Paths, request: requests.Migrate, emit: Emit) -> Timed:
    """In the surroundings that the service will have with the release, in the folder of its code. Raises RaabError with the output when it
    fails."""
    began = time.monotonic()
    if request.command:
        release = ready(paths, request.release, emit)
        hook.run(paths, release, "migrate", request.command, saying(emit), surroundings.code(release))
    seconds = time.monotonic() - began
    journal.append(paths.journal, journal.migrated(request.release, request.who, request.machine, seconds, time.time()))
    return Timed(seconds)


def ready(paths: Paths, name: str, emit: Emit) -> Path:
    """The folder of a release, on a host that has all that the service will have. Raises RaabError for one that is not complete."""
    if not paths.manifest(name).exists():
        raise RaabError(f"migrate: the release is not complete on this host, got {name}", "deploy again", exitcodes.BAD_INPUT)
    release = paths.release(name)
    # On a first deploy.
    unitfiles.prepare(paths)
    lasting.settle(paths, release, saying(emit))
    return release


def saying(emit: Emit) -> Callable[[str], None]:
    return lambda text: emit(Line(text))
