"""A relay on this machine's loopback that cuts a connection after so many bytes, as a network may at any moment."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from raab.drill.traffic.http import Address


class Proxy:
    """Passes connections on to `far`. `passed` counts the bytes sent there; after `cut` of them (None: never) the first connection ends.

    Those after the first pass whole: what is cut is the connection, not the line.
    """

    def __init__(self, far: Address, cut: int | None) -> None:
        self.passed = 0
        self._far = far
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        # Shut down first: closing alone does not wake a thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        cut = self._cut
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._far)
            threading.Thread(target=self._pump, args=(near, far, cut), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, None, False), daemon=True).start()
            cut = None

    def _pump(self, source: socket.socket, sink: socket.socket, cut: int | None, counts: bool = True) -> None:
        left = cut
        with suppress(OSError):
            while block := source.recv(4096 if left is None else min(4096, left)):
                sink.sendall(block)
                self.passed += len(block) if counts else 0
                if left is not None:
                    left -= len(block)
                    if not left:
                        break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
