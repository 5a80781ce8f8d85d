"""Replacing the master itself: a new one is started beside the old one, on the same sockets, and takes over when it is ready.

Three things make that work under systemd. The sockets are passed as systemd passes them (sd_listen_fds(3)), which is how
gunicorn expects them. The new master is forked twice, so that it is the child of PID 1 and not of the master that will
end: systemd does not wait for what is not its child (it would SIGKILL it at the next stop). And the old master, which
systemd listens to, names the new one with MAINPID= only when it can serve.
"""

import fcntl
import os
import socket
from collections.abc import Mapping, Sequence

_FIRST_FD = 3
CHANNEL = "HANDOVER_CHANNEL"
GENERATION = "HANDOVER_GENERATION"


def launch(command: Sequence[str], environ: Mapping[str, str], listeners: Sequence[tuple[int, str]]) -> socket.socket:
    """Start `command` (its first word is the executable) as a new master and return the channel to it.

    `listeners` are file descriptors with their names. The new master reports on the channel, a packet a word:
    `pid N`, then `ready` or `failed REASON`; the old one answers `main` when the service manager has been told.
    The channel ends when the new master does.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child:
        theirs.close()
        os.waitpid(child, 0)
        ours.setblocking(False)
        return ours
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
    }
    os.execve(command[0], list(command), {**environ, **passed})


def channel_from(environ: dict[str, str] | os._Environ[str]) -> socket.socket | None:
    """The channel to the master that started this one, or None. The variable is taken out of the environment."""
    number = environ.pop(CHANNEL, None)
    if number is None:
        return None
    channel = socket.socket(fileno=int(number))
    channel.set_inheritable(False)
    channel.setblocking(False)
    return channel
