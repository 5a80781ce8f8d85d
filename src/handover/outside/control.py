"""The control socket: one packet a request, one packet an answer (SOCK_SEQPACKET, unix(7)), served in the master's loop."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Sequence

from handover.decision.events import Asked, Event, Gone
from handover.decision.request import Client, parse

# Of a packet: an environment may be part of it, and what the kernel sends at once is less (net.core.wmem_max).
_LIMIT = 1 << 18


class Control:
    """The listening side. `selector` is the master's: what is registered there returns the events that it has read.

    `complain` is told when something had to be moved: any code of the service's user may write to the folder of the socket.
    """

    def __init__(self, path: str, selector: selectors.BaseSelector, complain: Callable[[str], None]) -> None:
        self._selector = selector
        self._clients: set[Client] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Bound under another name and renamed, so that a successor takes the path over without a gap.
        partial = f"{path}.{os.getpid()}"
        for place in (partial, path):
            if os.path.isdir(place) and not os.path.islink(place):
                aside = f"{place}.aside-{time.time():.0f}"
                os.rename(place, aside)
                complain(f"control socket: there was a folder in its place, which is {aside} now")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        self._listener.bind(partial)
        os.chmod(partial, 0o660)
        self._listener.listen(64)
        self._listener.setblocking(False)
        os.rename(partial, path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> Sequence[Event]:
        with contextlib.suppress(OSError):
            channel, _ = self._listener.accept()
            channel.setblocking(False)
            client = Client(channel, self._drop)
            self._clients.add(client)
            self._selector.register(channel, selectors.EVENT_READ, lambda: self._read(client))
        return ()

    def _read(self, client: Client) -> Sequence[Event]:
        try:
            packet = client.channel.recv(_LIMIT)
        except BlockingIOError:
            return ()
        except OSError:
            packet = b""
        if not packet:
            self._drop(client)
            return (Gone(client),)
        try:
            request = parse(packet)
            if request.environment is not None and _user(client.channel) != 0:
                raise ValueError("control socket: what a start would get is for root alone to say")
            return (Asked(request, client),)
        except ValueError as error:
            client.answer({"error": str(error)})
            return ()

    def _drop(self, client: Client) -> None:
        if client in self._clients:
            self._clients.discard(client)
            self._selector.unregister(client.channel)
            client.channel.close()

    def close(self) -> None:
        """Stop listening. The path stays: it may be a successor's by now, and goes with its directory otherwise."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()


def _user(channel: socket.socket) -> int:
    """Who connected (unix(7), SO_PEERCRED): the kernel says so, not the client."""
    return int(struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
