"""The listening sockets: which come from systemd, which have to be kept by it, and which the settings do not want any more."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

from handover.systemd import STORED, Notifier

_FIRST_FD = 3
_OUT_OF_THE_WAY = 512
# Seconds to wait for an address that another master is about to give up.
_CLOSING = 5.0


def stored_name(address: Any) -> str:
    """The name under which systemd keeps the socket of a configured address (FDNAME= allows no colon, sd_notify(3))."""
    text = ":".join(map(str, address)) if isinstance(address, tuple) else str(address)
    return f"{STORED}-{re.sub(r'[^A-Za-z0-9.]+', '-', text)}"


class Listeners:
    """`given` says that a socket unit owns the sockets: then its addresses count, and not those of the settings."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._superfluous: list[str] = []
        self.names: list[str] = []
        self.given = False

    def inherit(self, addresses: Sequence[Any]) -> None:
        """Look at what sd_listen_fds(3) passes before gunicorn takes it, and make it what the settings ask for.

        gunicorn takes the passed sockets as they are and never looks at its own `bind`. So a socket kept for an address
        that was changed meanwhile is dropped here, and one for a new address is added.
        """
        names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
        count = int(os.environ.get("LISTEN_FDS", "0")) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
        wanted = {stored_name(address): address for address in addresses}
        passed = dict(zip((names + [""] * count)[:count], range(_FIRST_FD, _FIRST_FD + count), strict=False))
        self.given = any(not name.startswith(STORED) for name in passed)
        self.names = list(passed if self.given else wanted)
        if self.given or not passed or set(passed) == set(wanted):
            self.names = list(passed) if passed else self.names
            return
        self._superfluous = [name for name in passed if name not in wanted]
        self._lay([passed[name] if name in passed else _bound(address) for name, address in wanted.items()])
        os.environ["LISTEN_FDS"] = str(len(wanted))

    def _lay(self, fds: Sequence[int]) -> None:
        held = [fcntl.fcntl(fd, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for fd in fds]
        for place, fd in enumerate(held, _FIRST_FD):
            os.dup2(fd, place, inheritable=False)
            os.close(fd)

    def keep(self, listeners: Sequence[Any]) -> None:
        """Have systemd keep our sockets over a restart, and drop those that the settings do not name any more."""
        if self.given:
            return
        for name, listener in zip(self.names, listeners, strict=True):
            self._notifier.store(name, listener.fileno())
        for name in self._superfluous:
            self._notifier.forget(name)
        self._superfluous = []

    def passed_on(self, listeners: Sequence[Any]) -> list[tuple[int, str]]:
        """What a successor gets: all of our sockets, by name. It drops what its own settings do not want."""
        return [(listener.fileno(), name) for name, listener in zip(self.names, listeners, strict=True)]

    @property
    def moved(self) -> bool:
        """Whether we dropped an address that was served before."""
        return bool(self._superfluous)


def _bound(address: Any) -> int:
    """A new listening socket for an address that is not served yet. Raises OSError when it cannot be had.

    A master that served it until a moment ago, when the address was changed to and fro, closes it within seconds.
    """
    end = time.monotonic() + _CLOSING
    while True:
        try:
            return _listening(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise
        time.sleep(0.1)


def _listening(address: Any) -> int:
    if isinstance(address, tuple):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        return socket.create_server(address, family=family, backlog=2048).detach()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(2048)
    return listener.detach()
