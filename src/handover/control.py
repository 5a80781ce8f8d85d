"""The control socket: one packet a request, one packet an answer (SOCK_SEQPACKET, unix(7)), served in the master's loop."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LIMIT = 65536


@dataclass(frozen=True)
class Request:
    """What a client asked for: `verb` is status, reload (after a `trial`, where wanted), scale (`to` or `by` so many), or hold: load
    `release`, the name of a folder beside the current one, and wait for `switched` (handover/hold.py)."""

    verb: str
    to: int | None = None
    by: int | None = None
    trial: bool = False
    release: str = ""


def parse(packet: bytes) -> Request:
    """Raises ValueError, with a sentence for the client, for anything that is not a request."""
    try:
        asked = json.loads(packet)
        request = Request(**asked)
    except (ValueError, TypeError) as error:
        raise ValueError(f"control socket: not a request, got {packet[:80]!r}") from error
    numbers = (request.to, request.by)
    if (
        request.verb not in ("status", "reload", "scale", "hold", "switched")
        or not all(number is None or type(number) is int for number in numbers)
        or type(request.trial) is not bool
        or type(request.release) is not str
        or not re.fullmatch(r"\w[\w.-]*" if request.verb == "hold" else "", request.release)
    ):
        raise ValueError(f"control socket: unknown request, got {packet[:80]!r}")
    return request


class Client:
    """One connected client, answered now or later. `gone` is called when it has hung up."""

    def __init__(self, channel: socket.socket, close: Callable[[Client], None]) -> None:
        self.channel = channel
        self.gone: Callable[[], None] = lambda: None
        self._close = close

    def tell(self, word: Any) -> None:
        """Send a first word, which the answer will follow."""
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps(word).encode())

    def answer(self, reply: Any) -> None:
        """Send the reply and hang up. A client that has gone away does not matter."""
        self.tell(reply)
        self._close(self)


class Control:
    """The listening side. `selector` is the master's; `serve` gets each request with its client."""

    def __init__(self, path: str, selector: selectors.BaseSelector, serve: Callable[[Request, Client], None]) -> None:
        self._selector = selector
        self._serve = serve
        self._clients: set[Client] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Bound under another name and renamed, so that a successor takes the path over without a gap.
        partial = f"{path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        self._listener.bind(partial)
        os.chmod(partial, 0o660)
        self._listener.listen(64)
        self._listener.setblocking(False)
        os.rename(partial, path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            channel, _ = self._listener.accept()
            channel.setblocking(False)
            client = Client(channel, self._hang_up)
            self._clients.add(client)
            self._selector.register(channel, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: Client) -> None:
        try:
            packet = client.channel.recv(_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._hang_up(client)
            return
        try:
            request = parse(packet)
        except ValueError as error:
            client.answer({"error": str(error)})
            return
        self._serve(request, client)

    def _hang_up(self, client: Client) -> None:
        if client in self._clients:
            self._drop(client)
            client.gone()

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.channel)
        client.channel.close()

    def close(self) -> None:
        """Stop listening. The path stays: it may be a successor's by now, and goes with its directory otherwise."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
