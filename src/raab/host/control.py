"""The other end of the master's control socket (handover/control.py)."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raab.errors import RaabError

_RUN = "/run/raab"


def ask(seconds: float, **request: Any) -> dict[str, Any]:
    """Send one request to the running master and return its answer; `seconds` bounds the wait.

    Raises RaabError: exit code 3 when no master listens, 2 when it refuses the request, 1 when it does not answer in time.
    """
    conversation = Conversation(seconds)
    try:
        conversation.say(**request)
        answer = conversation.hear()
    finally:
        conversation.close()
    if "error" in answer:
        raise RaabError(answer["error"], exit_code=2)
    # A new master took over meanwhile, and listens at the same path.
    return ask(seconds, **request) if answer == {"ask": "again"} else answer


class Conversation:
    """A connection to the running master, for a request and what may follow it; `seconds` bounds each wait. Raises RaabError as `ask`."""

    def __init__(self, seconds: float) -> None:
        self.path = str(Path(os.environ.get("RUNTIME_DIRECTORY", _RUN)) / "control")
        self.seconds = seconds
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(seconds)
        with self.explained():
            self.channel.connect(self.path)

    def say(self, **request: Any) -> None:
        """Send a request."""
        with self.explained():
            self.channel.send(json.dumps(request).encode())

    def hear(self) -> dict[str, Any]:
        """Wait for the master's next word."""
        with self.explained():
            packet = self.channel.recv(1 << 20)
        if not packet:
            raise RaabError(f"{self.path}: the master ended before it answered", "journalctl -u raab -n 50")
        answer: dict[str, Any] = json.loads(packet)
        return answer

    @property
    def peer(self) -> int:
        """The process id of who listens there (unix(7), SO_PEERCRED)."""
        return int(struct.unpack("3i", self.channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])

    def close(self) -> None:
        self.channel.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise RaabError(f"{self.path}: not yours to open", "use sudo, or become the user raab", 2) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise RaabError(f"{self.path}: nobody listens, so the service is not running", "systemctl status raab", 3) from error
        except TimeoutError as error:
            raise RaabError(f"{self.path}: no answer within {self.seconds:.0f} s", "journalctl -u raab -n 50") from error
