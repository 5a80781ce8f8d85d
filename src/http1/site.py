"""Who is served, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from logging import Logger
from typing import Any, NamedTuple

from http1.limits import Limits

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Refusal(NamedTuple):
    """A request that no application got to see: the status it was answered with, why, whose it was, its first line as far as it was read,
    and how many bytes of a body the answer had. Whatever stands in `line` and `reason` a client has chosen."""

    status: int
    reason: str
    peer: str
    line: bytes
    sent: int = 0


@dataclass(frozen=True)
class Site:
    """What all connections of one worker have in common.

    head_timeout: seconds in which a head has to arrive, from the connection's begin or, later, from its first byte.
    keepalive: seconds for which a connection may wait for its next request.
    begin, end: called around each request. leaving: whether connections are to be closed after the answer that begins now.
    refused: called for each request that was refused before the application had it.
    """

    application: Application
    log: Logger
    begin: Callable[[], None]
    end: Callable[[], None]
    leaving: Callable[[], bool]
    refused: Callable[[Refusal], None]
    head_timeout: float
    keepalive: float
    multiprocess: bool
    limits: Limits = field(default_factory=Limits)
