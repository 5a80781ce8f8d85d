"""Follow an activation, which a connection has started (raab.host.session.session). Standard library only.

The activation is a unit of its own under systemd and tells its events to a file; a lost connection stops neither, and a new
connection reads the same file from its beginning.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host import systemd
from raab.host.master.control import ask
from raab.host.paths import Paths
from raab.host.releases import current_release, describe
from raab.protocol import task
from raab.protocol.answers import Activated, Line, Step, Verdict
from raab.protocol.conversation import Event
from raab.protocol.requests import Activate

Emit = Callable[[Event], None]
TRANSIENT = Path("/run/systemd/transient")
POLL_SECONDS = 0.003
# An activation that is told to end goes back, and proves that it did.
GOING_BACK_SECONDS = 300
# Seconds for a master to end what a dead activation had begun with it.
SETTLING_SECONDS = 60.0


def same_project(paths: Paths, request: Activate) -> None:
    """Raises RaabError where the service has become another project's, whatever its facts said before. A way back leads wherever it led."""
    if request.take_over or request.action != "deploy":
        return
    there, new = (describe(paths.releases / name).project if name else "" for name in (current_release(paths), request.release))
    if there and new and there != new:
        raise RaabError(
            f"service {paths.name}: it belongs to another project, got {there} there and {new} here",
            "is it the right environment? --take-over makes it this project's, such as after a rename", exitcodes.REFUSED,
        )  # fmt: skip


def asked_for(paths: Paths) -> Activate | None:
    """What the activation now running was asked to do. Raises RaabError where a newer raab has asked."""
    try:
        return task.understand(paths.request.read_bytes())
    except (OSError, ValueError):
        return None


def wait_for_previous(paths: Paths, seconds: float = 30) -> None:
    """The previous activation may still be pruning after its verdict: that takes moments, or many seconds on a disk that is busy. One still
    at work is a reason to refuse."""
    end = time.monotonic() + seconds
    while activating(paths):
        if time.monotonic() > end:
            raise RaabError(
                "activate: another activation is at work on this host",
                f"wait until it has ended, see `journalctl -u {paths.activation_unit}`",
                exitcodes.LOCKED,
            )
        time.sleep(0.05)


def activating(paths: Paths) -> bool:
    # Whose unit file is not there needs no question, and no line in the journal about it (systemd.unit(5), transient units).
    if not (TRANSIENT / paths.activation_unit).exists():
        return False
    return systemd.show(paths.activation_unit, "ActiveState").get("ActiveState") in ("active", "activating", "deactivating")


def follow(paths: Paths, emit: Emit, token: str) -> Activated:
    """Pass on the events of the activation named by `token` until its verdict, which is returned."""
    if named(paths) != token:
        return Activated(Verdict(ok=False, started=False, reason="the activation was never started"))
    seen = size = 0
    checked = time.monotonic()
    while True:
        # A look at its size is all that most rounds take.
        before, size = size, written(paths)
        if before == size and time.monotonic() - checked <= 1:
            time.sleep(POLL_SECONDS)
            continue
        lines = events(paths)
        # Looked at after the events: those of another one come when the request is the other one's already.
        if named(paths) != token:
            wait_for_previous(paths)
            reason = "the activation was ended without a verdict, and another one came in its place"
            return Activated(Verdict(ok=False, switched=False, serves=serving(paths), asked=True, reason=reason))
        for event in lines[seen:]:
            if isinstance(event, Verdict):
                return Activated(event)
            emit(event)
        if len(lines) == seen and time.monotonic() - checked > 1:
            checked = time.monotonic()
            # Asked again for events after the unit was found ended: the last ones may have come in between.
            if not activating(paths) and len(events(paths)) == seen:
                words = ("journalctl", "--unit", paths.activation_unit, "--output=cat", "--lines=5", "--no-pager")
                reason = systemd.order(*words).stdout.strip()
                switched = current_release(paths) == json.loads(paths.request.read_bytes())["release"]
                reason = f"the activation ended without a verdict: {reason}"
                return Activated(Verdict(ok=False, switched=switched, serves=serving(paths), asked=True, reason=reason))
        seen = len(lines)


def named(paths: Paths) -> str:
    """The token of the activation now running, or of the last one; empty where none can be read."""
    try:
        return str(json.loads(paths.request.read_bytes())["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def serving(paths: Paths) -> str | None:
    """The release that the service's master tells when its generations have settled: without a word from who has asked it to hold one, it
    serves what `current` names."""
    end = time.monotonic() + SETTLING_SECONDS
    while True:
        with suppress(RaabError):
            told = ask(paths, 5, verb="status")
            if not told["busy"] or time.monotonic() > end:
                return str(told["release"])
        if time.monotonic() > end:
            return None
        time.sleep(0.1)


def written(paths: Paths) -> int:
    """How many bytes of events there are."""
    try:
        return paths.events.stat().st_size
    except FileNotFoundError:
        return 0


def events(paths: Paths) -> list[Step | Line | Verdict]:
    """All whole lines so far; one that a full disk has cut is passed over. What wrote them is root's program on the host, which may be a
    newer raab's and say more."""
    try:
        lines = paths.events.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found: list[Step | Line | Verdict] = []
    for line in lines:
        with suppress(ValueError):
            found.append(task.event(line))
    return found
