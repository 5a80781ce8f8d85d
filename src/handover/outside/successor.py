"""Replacing the master itself: a new one is started beside the old one, on the same sockets, and takes over when it is ready.

Three things make that work under systemd. The sockets are passed as systemd passes them (sd_listen_fds(3)), which is how
gunicorn expects them. The new master is forked twice, so that it is the child of PID 1 and not of the master that will
end: systemd does not wait for what is not its child (it would SIGKILL it at the next stop). And the old master, which
systemd listens to, names the new one with MAINPID= only when it can serve.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
from collections.abc import Mapping, Sequence

from handover.decision.events import Event, Heir, Word

_FIRST_FD = 3
CHANNEL = "HANDOVER_CHANNEL"
GENERATION = "HANDOVER_GENERATION"
# `PID VERSION`: what the one that starts it speaks, for the process with this id. A master that knows nothing of it passes the variable on
# to its own successor, to which it says nothing then.
SPEAKS = "HANDOVER_SPEAKS"
# Of what two masters say to each other. Who is started knows its own version and those before, and answers in that of who has started it.
VERSION = 1


class Successor:
    """One that was launched, seen from the master that it will follow. It is not a child of ours, so nothing has to be reaped."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.pid = 0

    def read(self) -> Sequence[Event]:
        """What it says, a packet a word; its end is its last word."""
        word = self.channel.recv(4096).decode(errors="replace")
        if re.fullmatch(r"pid [0-9]{1,9}", word):
            self.pid = int(word[4:])
            return ()
        if word in ("ready", "ready moved"):
            return (Heir(moved=word == "ready moved"),)
        return (Heir(why=word.removeprefix("failed ") or "the new master ended before it could serve, see the lines above"),)

    def tell(self, word: Word) -> None:
        """The service manager has been told."""
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps(word).encode())

    def end(self) -> None:
        """It is not wanted any more."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def launch(command: Sequence[str], environ: Mapping[str, str], listeners: Sequence[tuple[int, str]]) -> Successor:
    """Start `command` (its first word is the executable) as a new master. Raises OSError when it cannot be forked.

    `listeners` are file descriptors with their names. The new master reports on the channel, a packet a word:
    `pid N`, then `ready` or `failed REASON`; the old one answers with a `Word` when the service manager has been told.
    The channel ends when the new master does.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child:
        theirs.close()
        os.waitpid(child, 0)
        ours.setblocking(False)
        return Successor(ours)
    try:
        if os.fork() == 0:
            _become(command, environ, listeners, theirs.fileno())
    finally:
        os._exit(127)


def _become(command: Sequence[str], environ: Mapping[str, str], listeners: Sequence[tuple[int, str]], channel: int) -> None:
    """Never returns: lay the sockets at 3, 4, ... and execute. Out of the way first, as they may lie there already."""
    held = [fcntl.fcntl(fd, fcntl.F_DUPFD, 512) for fd in (*(fd for fd, _ in listeners), channel)]
    for place, fd in enumerate(held, _FIRST_FD):
        os.dup2(fd, place, inheritable=True)
    os.closerange(_FIRST_FD + len(held), 4096)
    passed = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(listeners)),
        "LISTEN_FDNAMES": ":".join(name for _, name in listeners),
        CHANNEL: str(_FIRST_FD + len(listeners)),
        SPEAKS: f"{os.getpid()} {VERSION}",
    }
    os.execve(command[0], list(command), {**environ, **passed})
