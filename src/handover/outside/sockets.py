"""Listening sockets, each by itself: which address it is for, and how a new one comes to stand beside an older one."""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from typing import Any

from gunicorn.sock import BaseSocket, TCP6Socket, TCPSocket, UnixSocket

from handover.outside.systemd import STORED

Address = tuple[str, int] | str
# Seconds to wait for an address that another master is about to give up.
_CLOSING = 5.0
# The kernel's own, also in a worker, where gevent has replaced it since.
_poll = select.poll
_ANY, _ANY6 = "0.0.0.0", "::"


def spread(addresses: Iterable[Any]) -> Iterator[Address]:
    """The address of each socket that has to be there for what gunicorn's settings ask for. Raises OSError for a name that nobody knows.

    `[::]` is both families, and each has a socket of its own: then neither is ever asked for what is the other's.
    """
    for address in addresses:
        if isinstance(address, str):
            yield address
        elif ":" in address[0]:
            # As the kernel will tell it.
            host = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address[0]))
            yield host, address[1]
            if host == _ANY6:
                yield _ANY, address[1]
        else:
            try:
                yield socket.gethostbyname(address[0]), address[1]
            except OSError as error:
                raise OSError(f"{address[0]}:{address[1]}: {error.strerror or error}") from error


def stored_name(address: Address) -> str:
    """The name under which systemd keeps the socket of an address (FDNAME= allows no colon, sd_notify(3))."""
    text = ":".join(map(str, address)) if isinstance(address, tuple) else address
    return f"{STORED}-{re.sub(r'[^A-Za-z0-9.]+', '-', text)}"


def covers(wanted: Address, other: Address) -> bool:
    """Whether all that arrives at `other` is wanted, since it is a part of an address that is."""
    if isinstance(wanted, str) or isinstance(other, str) or wanted[1] != other[1]:
        return False
    return wanted[0] == (_ANY6 if ":" in other[0] else _ANY)


def address_of(fd: int) -> Address:
    """Where a socket listens."""
    with socket.socket(fileno=os.dup(fd)) as listener:
        name = listener.getsockname()
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else str(name)


def reachable(address: Address) -> bool:
    """Whether a kept socket can still be found: the path of one may have been removed, and nothing can bring it back."""
    try:
        return isinstance(address, tuple) or stat.S_ISSOCK(os.stat(address).st_mode)
    except OSError:
        return False


def share(listener: Any, yes: bool) -> None:
    """Let another socket of this user be bound to the same address or a part of it, or not any more. The kernel asks that of both, and of
    a socket that listens already too; of two, the one with the narrower address gets what comes from then on (socket(7), SO_REUSEPORT)."""
    if listener.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) != socket.AF_UNIX:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, yes)


def listens(listener: Any) -> bool:
    """Whether connections arrive there; one that is only bound keeps the address for itself, and leaves them to an older one."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def nobody_waits(listener: Any) -> bool:
    """Whether no connection waits to be accepted."""
    poll = _poll()
    poll.register(listener.fileno(), select.POLLIN)
    return not poll.poll(0)


class _Bound(BaseSocket):  # type: ignore[misc,unused-ignore]
    """What gunicorn's kinds of sockets have in common here: they begin to listen when they are told to, and not in the making."""

    @staticmethod
    def _is_listening(sock: socket.socket) -> bool:
        return True


class _Tcp(TCPSocket, _Bound):  # type: ignore[misc,unused-ignore]
    def bind(self, sock: socket.socket) -> None:
        share(sock, True)
        super().bind(sock)


class _Tcp6(TCP6Socket, _Bound):  # type: ignore[misc,unused-ignore]
    def bind(self, sock: socket.socket) -> None:
        share(sock, True)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().bind(sock)


class _Unix(UnixSocket, _Bound):  # type: ignore[misc,unused-ignore]
    """gunicorn's, which replaces what an ended master has left at the path; without its chown(2), to the owner that the file has
    anyway: raab.service's sandbox forbids that call. Who may connect is a matter of the directory."""

    def bind(self, sock: socket.socket) -> None:
        before = os.umask(self.conf.umask)
        try:
            sock.bind(self.cfg_addr)
        finally:
            os.umask(before)


def _type_for(address: Address) -> Any:
    if isinstance(address, str):
        return _Unix
    return _Tcp6 if ":" in address[0] else _Tcp


def adopted(fd: int, settings: Any, log: Any) -> Any:
    """A socket that was passed, as gunicorn's object."""
    address = address_of(fd)
    return _type_for(address)(address, settings, log, fd=fd)


def bound(address: Address, settings: Any, log: Any) -> Any:
    """A new socket that does not listen yet. Raises OSError when it cannot be had, ValueError when something else than a socket is at
    its path.

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
