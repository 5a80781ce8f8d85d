"""A connection to the other end of the control socket.

The socket lies where any code of the service's user may put another one, so nothing that comes from there is believed before its listener
is known to be the process that systemd calls the service's main one, and then no more than raab.host.master.answers lets through.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host.master import answers
from raab.host.paths import Paths
from raab.host.processes import started

# Seconds for systemd to hear of a new master (handover/outside/successor.py): a moment, unless the machine is overloaded.
NAMING_SECONDS = 3.0
# Seconds for the verdict on a reload. The master keeps the limits of the settings itself and always answers; this bounds the rest.
PATIENCE = 3600.0
_STEP = 0.05
# Processes that systemd has vouched for, with their start times: one that was the master has not become an impostor since.
_masters: set[tuple[int, str]] = set()


class Unvouched(RaabError):
    """Whoever listens is not the process that systemd calls the service's main one."""


class Unanswered(RaabError):
    """Nobody listens, or whoever listened has ended. `taken`: whether the request may have been carried out."""

    def __init__(self, message: str, hint: str, exit_code: int, taken: bool) -> None:
        super().__init__(message, hint, exit_code)
        self.taken = taken


def of_systemd(paths: Paths) -> bool:
    """Whether systemd can say who the master is: of the service itself, not of one that somebody runs by hand (sd_booted(3))."""
    return paths.run == Path("/run") and Path("/run/systemd/system").is_dir()


def main_pid(paths: Paths) -> int:
    """The service's main process, by systemd's word; 0 if there is none. The unit's own commands are told (systemd.exec(5), $MAINPID)."""
    told = os.environ.get("MAINPID", "")
    if told.isdecimal() and os.environ.get("RUNTIME_DIRECTORY") == str(paths.runtime):
        return int(told)
    from raab.host import systemd

    return systemd.main_pid(paths.unit)


class Conversation:
    """A connection to the running master, for a request and what may follow it; `seconds` bounds each wait. Raises RaabError as `ask`."""

    def __init__(self, paths: Paths, seconds: float, vouched: bool = True) -> None:
        self.paths = paths
        self.path = paths.control
        self.seconds = seconds
        self.vouched = not (vouched and of_systemd(paths))
        self.verb = ""
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(seconds)
        try:
            self.connect()
        except RaabError:
            self.channel.close()
            raise

    def connect(self) -> None:
        """To the socket itself: a link in its place might lead root to any other one."""
        with self.explained():
            place = os.open(self.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                found = os.fstat(place)
                if not stat.S_ISSOCK(found.st_mode) or found.st_uid != self.path.parent.stat().st_uid:
                    raise RaabError(
                        f"{self.path}: not the service's socket",
                        f"see what ls -l {self.path} says, then systemctl restart {self.paths.name}",
                    )
                self.channel.connect(f"/proc/self/fd/{place}")
            finally:
                os.close(place)

    def say(self, **request: Any) -> None:
        """Send a request."""
        self.verb = request["verb"]
        with self.explained():
            self.channel.send(json.dumps(request).encode())

    def hear(self) -> dict[str, Any]:
        """Wait for the master's next word about the last request. Not before it is known to be the master's."""
        self.vouch(NAMING_SECONDS)
        with self.explained():
            packet = self.channel.recv(1 << 20)
        if not packet:
            raise Unanswered(f"{self.path}: the master ended before it answered", f"journalctl -u {self.paths.name} -n 50", 1, taken=True)
        try:
            return answers.decode(packet, self.verb)
        except ValueError as error:
            hint = f"systemctl restart {self.paths.name}, and see the readme, section After an intrusion"
            raise RaabError(f"{self.path}: not an answer of the service's master, got {error}", hint) from error

    def vouch(self, seconds: float = 0.0) -> None:
        """Compare the listener with systemd's word, for so long. Once is enough: the word changes when a new master takes over."""
        end = time.monotonic() + seconds
        listener = self.peer, started(self.peer)
        self.vouched = self.vouched or listener in _masters
        while not self.vouched:
            main = main_pid(self.paths)
            if self.peer == main:
                _masters.add(listener)
                self.vouched = True
            elif time.monotonic() >= end:
                raise Unvouched(
                    f"{self.path}: not the service's master listens there, got process {self.peer}, and systemd says {main or 'none'}",
                    f"systemctl restart {self.paths.name}, and see the readme, section After an intrusion",
                )
            else:
                time.sleep(_STEP)

    @property
    def peer(self) -> int:
        """The process id of who listens there (unix(7), SO_PEERCRED)."""
        return int(struct.unpack("3i", self.channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])

    def close(self) -> None:
        self.channel.close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise RaabError(
                f"{self.path}: not yours to open", f"use sudo, or become the user {self.paths.user}", exitcodes.BAD_INPUT
            ) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            message = f"{self.path}: nobody listens, so the service is not running"
            raise Unanswered(message, f"systemctl status {self.paths.name}", 3, taken=False) from error
        except TimeoutError as error:
            raise RaabError(f"{self.path}: no answer within {self.seconds:.0f} s", f"journalctl -u {self.paths.name} -n 50") from error
        except OSError as error:
            message = f"{self.path}: the master ended before it answered, got {error.strerror}"
            raise Unanswered(message, f"journalctl -u {self.paths.name} -n 50", 1, taken=bool(self.verb)) from error
