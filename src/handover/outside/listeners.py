"""The listening sockets: which come from systemd, which have to be kept by it, and which the settings do not want any more."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
import sys
import time
from collections.abc import Sequence
from typing import Any

from gunicorn.sock import TCP6Socket, TCPSocket, UnixSocket

from handover.outside.systemd import STORED, Notifier

_FIRST_FD = 3
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
        self._renewed: list[str] = []
        self._abandoned: list[str] = []
        self.names: list[str] = []
        self.given = False

    def open(self, settings: Any, log: Any) -> list[Any]:
        """What the master listens on, as gunicorn's own objects: those of the sockets that sd_listen_fds(3) passes which the settings
        ask for, and new ones for all else that they ask for. Exits when one cannot be had, as gunicorn does.

        gunicorn itself would take the passed sockets as they are and not look at its `bind` at all.
        """
        passed = _passed()
        self.given = any(not name.startswith(STORED) for name, _ in passed)
        if self.given:
            self.names = [name for name, _ in passed]
            return [_adopted(fd, settings, log) for _, fd in passed]
        wanted = {stored_name(address): address for address in settings.address}
        self.names = list(wanted)
        kept: dict[str, Any] = {}
        for name, fd in passed:
            if name in wanted and name not in kept and _reachable(wanted[name]):
                kept[name] = _adopted(fd, settings, log)
                continue
            if name in wanted:
                self._renewed.append(name)
            else:
                self._superfluous.append(name)
                self._abandoned += [address for address in [_name_of(fd)] if isinstance(address, str)]
            os.close(fd)
        try:
            return [kept.get(name) or _bound(address, settings, log) for name, address in wanted.items()]
        except (OSError, ValueError) as error:
            log.error("cannot listen: %s", error)
            sys.exit(1)

    def keep(self, listeners: Sequence[Any]) -> None:
        """Have systemd keep our sockets over a restart, and drop those that the settings do not name any more."""
        if self.given:
            return
        for name in (*self._superfluous, *self._renewed):
            self._notifier.forget(name)
        for name, listener in zip(self.names, listeners, strict=True):
            self._notifier.store(name, listener.fileno())
        for path in self._abandoned:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._superfluous, self._renewed, self._abandoned = [], [], []

    def passed_on(self, listeners: Sequence[Any]) -> list[tuple[int, str]]:
        """What a successor gets: all of our sockets, by name. It drops what its own settings do not want."""
        return [(listener.fileno(), name) for name, listener in zip(self.names, listeners, strict=True)]

    @property
    def moved(self) -> bool:
        """Whether we dropped an address that was served before."""
        return bool(self._superfluous)


class _UnixSocket(UnixSocket):  # type: ignore[misc,unused-ignore]
    """gunicorn's, which replaces what an ended master has left at the path; without its chown(2), to the owner that the file has
    anyway: raab.service's sandbox forbids that call. Who may connect is a matter of the directory."""

    def bind(self, sock: socket.socket) -> None:
        before = os.umask(self.conf.umask)
        try:
            sock.bind(self.cfg_addr)
        finally:
            os.umask(before)


def _passed() -> list[tuple[str, int]]:
    """Name and descriptor of each socket that was passed. The variables are taken out of the environment."""
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    count, pid = int(os.environ.pop("LISTEN_FDS", "0")), os.environ.pop("LISTEN_PID", "")
    count = count if pid == str(os.getpid()) else 0
    return list(zip((names + [""] * count)[:count], range(_FIRST_FD, _FIRST_FD + count), strict=True))


def _name_of(fd: int) -> Any:
    with socket.socket(fileno=os.dup(fd)) as listener:
        return listener.getsockname()


def _reachable(address: Any) -> bool:
    """Whether a kept socket can still be found: the path of one may have been removed, and nothing can bring it back."""
    try:
        return isinstance(address, tuple) or stat.S_ISSOCK(os.stat(address).st_mode)
    except OSError:
        return False


def _type_for(address: Any) -> Any:
    if isinstance(address, tuple):
        return TCP6Socket if ":" in address[0] else TCPSocket
    return _UnixSocket


def _adopted(fd: int, settings: Any, log: Any) -> Any:
    address = _name_of(fd)
    return _type_for(address)(address, settings, log, fd=fd)


def _bound(address: Any, settings: Any, log: Any) -> Any:
    """A new listening socket. Raises OSError when it cannot be had, ValueError when something else than a socket is at its path.

    A master that served the address until a moment ago, when it was changed to and fro, closes it within seconds.
    """
    end = time.monotonic() + _CLOSING
    while True:
        try:
            return _type_for(address)(address, settings, log)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                where = ":".join(map(str, address)) if isinstance(address, tuple) else f"unix:{address}"
                raise OSError(f"{where}: {error.strerror or error}") from error
        time.sleep(0.1)
