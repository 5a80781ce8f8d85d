"""What systemd has root do for the unit of the edge (raab.host.edge.unit). Standard library only."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from raab.errors import RaabError
from raab.host.durable import alone, write_durably
from raab.host.edge import caddy, edition
from raab.host.edge.steering import lead, led
from raab.host.paths import EdgePaths


def carry_out(place: EdgePaths, word: str, pid: str) -> str:
    """`pid` of Caddy, empty where it has ended. Raises RaabError for a word that is none, and where it does not work."""
    if word == "wait":
        # A Caddy that starts listens before it has its certificates: connections wait for its second edition.
        lead(place, edition.of(_composed(place)) + 1)
    elif word == "begin":
        # Who starts it may be somebody who changes it, and so nobody else does. systemd ends this when Caddy ends, or takes too long.
        while caddy.says(place) is None:
            time.sleep(0.02)
        _take_up_next(place)
    elif word == "reload":
        with alone(place.configuration):
            _take_up_next(place)
    elif word == "leave":
        _leave(place, pid)
    else:
        raise RaabError(f"edge: unknown word, got {word}", "wait, begin, reload, leave")
    return ""


def _take_up_next(place: EdgePaths) -> None:
    """What it has, as another edition."""
    before = _composed(place)
    text = edition.following(before, place.says)
    write_durably(place.composed, text)
    try:
        caddy.load(place, text)
    except RaabError:
        write_durably(place.composed, before)
        raise


def _leave(place: EdgePaths, pid: str) -> None:
    """Have Caddy end, and new connections wait for who comes after it, just before it does.

    Those that it has by then have had the time to send what they were made for. Who has it end may have written the next edition already.
    """
    if not pid.isdecimal() or caddy.says(place) is None:
        return
    running, since = led(place)
    text = _composed(place)
    # They wait where its second edition will listen, which is not where Caddy does now.
    if edition.listens(edition.of(text)) != edition.listens(running):
        text = edition.following(text, place.says)
        write_durably(place.composed, text)
    # It does nothing else while the edition before the running one goes on.
    time.sleep(min(max(0.0, since + edition.LEAVING_SECONDS - time.time()), edition.LEAVING_SECONDS))
    os.kill(int(pid), signal.SIGTERM)
    time.sleep(edition.LEAVING_SECONDS - 1)
    lead(place, edition.of(text) + 1)


def _composed(place: EdgePaths) -> bytes:
    file: Path = place.composed
    return file.read_bytes() if file.exists() else b""
