"""The other end of the master's control socket (handover/control.py)."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from raab.errors import RaabError

_RUN = "/run/raab"


def ask(seconds: float, **request: Any) -> dict[str, Any]:
    """Send one request to the running master and return its answer; `seconds` bounds the wait.

    Raises RaabError: exit code 3 when no master listens, 2 when it refuses the request, 1 when it does not answer in time.
    """
    path = str(Path(os.environ.get("RUNTIME_DIRECTORY", _RUN)) / "control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.settimeout(seconds)
        try:
            channel.connect(path)
            channel.send(json.dumps(request).encode())
            packet = channel.recv(1 << 20)
        except PermissionError as error:
            raise RaabError(f"{path}: not yours to open", "use sudo, or become the user raab", 2) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise RaabError(f"{path}: nobody listens, so the service is not running", "systemctl status raab", 3) from error
        except TimeoutError as error:
            raise RaabError(f"{path}: no answer within {seconds:.0f} s", "journalctl -u raab -n 50") from error
    if not packet:
        raise RaabError(f"{path}: the master ended before it answered", "journalctl -u raab -n 50")
    answer: dict[str, Any] = json.loads(packet)
    if "error" in answer:
        raise RaabError(answer["error"], exit_code=2)
    # A new master took over meanwhile, and listens at the same path.
    return ask(seconds, **request) if answer == {"ask": "again"} else answer
