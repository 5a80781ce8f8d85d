"""What the master tells about itself on the control socket."""

from __future__ import annotations

from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """The verdict of a reload: `good` or the reason why not; `at` in seconds since the epoch."""

    good: bool
    reason: str
    generation: int
    seconds: float
    at: float
    replaced: bool


class WorkerStatus(NamedTuple):
    """One worker; `age` in seconds, `connections` open now, `active` requests now."""

    pid: int
    generation: int
    phase: str
    age: float
    requests: int
    connections: int
    active: int


class Status(NamedTuple):
    """The whole service; `reload` and `workers` are the values above as mappings, ready for JSON."""

    pid: int
    release: str
    generation: int
    incoming: int | None
    target: int
    configured: int
    bounds: tuple[int, int]
    started: float
    one_by_one: bool
    reload: dict[str, Any] | None
    workers: tuple[dict[str, Any], ...]
