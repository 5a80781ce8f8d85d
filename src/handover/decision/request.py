"""What the control socket is asked, and who asks."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Of what is said on the control socket. A request without one is of the first; a master knows its own and those before.
VERSION = 1


@dataclass(frozen=True)
class Request:
    """What a client asked for: `verb` is status, reload, scale (`to` or `by` so many), or hold: load `release`, the name of a folder beside
    the current one, and wait for `switched`. A reload's `trial` is what older clients say; its template is its trial. `environment`: what
    a start of the service would get by now, and the master has not; root alone may say so. `version` is what
    it is said in."""

    verb: str
    to: int | None = None
    by: int | None = None
    trial: bool = False
    release: str = ""
    environment: dict[str, str] | None = None
    version: int = 1


def parse(packet: bytes) -> Request:
    """Raises ValueError, with a sentence for the client, for anything that is not a request."""
    try:
        asked = json.loads(packet)
        request = Request(**asked)
    except (ValueError, TypeError) as error:
        raise ValueError(f"control socket: not a request, got {packet[:80]!r}") from error
    if type(request.version) is not int or not 1 <= request.version <= VERSION:
        raise ValueError(
            f"control socket: this master speaks version {VERSION}, got a request of version {request.version!a:.20}\n"
            "hint: deploy a release of a newer raab, or ask with the raab of this one"
        )
    numbers = (request.to, request.by)
    if (
        request.verb not in ("status", "reload", "scale", "hold", "switched")
        or not all(number is None or type(number) is int for number in numbers)
        or type(request.trial) is not bool
        or type(request.release) is not str
        or not re.fullmatch(r"\w[\w.-]*" if request.verb == "hold" else "", request.release)
        or not (request.environment is None or (request.verb == "reload" and _is_environment(request.environment)))
    ):
        raise ValueError(f"control socket: unknown request, got {packet[:80]!r}")
    return request


def _is_environment(value: Any) -> bool:
    """Whether execve(2) would take it."""
    return type(value) is dict and all(
        type(text) is str and name and "=" not in name and "\0" not in name + text for name, text in value.items()
    )


class Client:
    """One connected client, answered now or later. `close` is called with it when it has had its answer."""

    def __init__(self, channel: socket.socket, close: Callable[[Client], None]) -> None:
        self.channel = channel
        self._close = close

    def tell(self, word: Any) -> None:
        """Send a first word, which the answer will follow. A client that has gone away does not matter."""
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps(word).encode())

    def answer(self, reply: Any) -> None:
        """Send the reply and hang up."""
        self.tell(reply)
        self._close(self)
