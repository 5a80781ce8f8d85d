"""What a session leaves for the activation that it starts, the request, and what that one leaves for who follows it, its events: as JSON.
Another raab may have written it than the one that reads it. Standard library only, and pure."""

from __future__ import annotations

import json
from typing import Any

from raab.protocol.answers import Line, Step, Verdict
from raab.protocol.conversation import VERSION, understood
from raab.protocol.reading import known, plainly, read, shown
from raab.protocol.requests import Activate


def written(request: Activate) -> bytes:
    return json.dumps({**plainly(request), "speaks": VERSION}).encode()


def understand(text: bytes) -> Activate:
    """Raises ValueError for what is no task, RaabError for one of a version that is not known here."""
    told: Any = json.loads(text)
    if type(told) is not dict:
        raise ValueError("not a task")
    understood(told.pop("speaks", 1), "root's program on this host", "the session that has started it")
    request: Activate = read(Activate, told, "task")
    return request


_EVENTS: dict[str, type[Any]] = {"step": Step, "line": Line, "verdict": Verdict}


def told(event: Step | Line | Verdict) -> bytes:
    name = next(name for name, kind in _EVENTS.items() if type(event) is kind)
    return json.dumps({"event": name, **plainly(event)}).encode() + b"\n"


def event(line: bytes) -> Step | Line | Verdict:
    """Raises ValueError for what is none."""
    found = json.loads(line)
    name = found.get("event") if type(found) is dict else None
    if type(name) is not str or name not in _EVENTS:
        raise ValueError(f"not an event of an activation's: {shown(found)}")
    value: Step | Line | Verdict = read(_EVENTS[name], known(found, _EVENTS[name]), name)
    return value
