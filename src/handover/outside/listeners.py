"""The listening sockets: which come from systemd, which have to be kept by it, and which the settings do not want any more."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from handover.outside.sockets import (
    Address,
    address_of,
    adopted,
    bound,
    covers,
    listens,
    nobody_waits,
    reachable,
    share,
    spread,
    stored_name,
)
from handover.outside.systemd import STORED, Notifier

_FIRST_FD = 3
# Seconds in which connections that wait at an address of before have to be accepted. It is a matter of milliseconds, unless more come than
# can be served.
_DRAINING = 10.0


class Listeners:
    """`given` says that a socket unit owns the sockets: then its addresses count, and not those of the settings.

    Addresses change while clients come, so three kinds of passed sockets stay for a while or for good. One whose address the settings
    name. One whose address is a part of theirs (127.0.0.1:8000 of 0.0.0.0:8000): it would go on getting connections until the moment that
    it is closed, and reset what has not been accepted by then; it does no harm, and stays until the service stops. And one that is not
    wanted: beside a predecessor, that one's workers go on serving it until clients have found the new address; after a restart there is
    nobody, so the first generation serves what waits there (`leaving`), and is followed by one that does not know it.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._forgotten: list[str] = []
        self._abandoned: list[str] = []
        self._leaving: set[str] = set()
        self._asked = 0.0
        self._kept = False
        self.names: list[str] = []
        self.given = False
        # Whether we dropped an address that was served before.
        self.moved = False

    def open(self, settings: Any, log: Any, *, follows: bool) -> list[Any]:
        """What the master listens on, as gunicorn's own objects: those of the sockets that sd_listen_fds(3) passes which the settings
        ask for, and new ones for all else that they ask for. Raises OSError or ValueError when one cannot be had.

        Beside a predecessor (`follows`) new ones do not listen until they are told to: until then who connects gets an answer from the
        old workers, and should there be no new ones, nobody has noticed. gunicorn itself would take the passed sockets as they are and
        not look at its `bind` at all.
        """
        passed = _passed()
        self.given = any(not name.startswith(STORED) for name, _ in passed)
        if self.given:
            self.names = [name for name, _ in passed]
            return [adopted(fd, settings, log) for _, fd in passed]
        wanted = {stored_name(address): address for address in spread(settings.address)}
        # A new one may have to stand beside any of those.
        if wanted.keys() - {stored_name(address_of(fd)) for _, fd in passed}:
            for _, fd in passed:
                with socket.socket(fileno=os.dup(fd)) as listener:
                    share(listener, True)
        found: dict[str, Any] = {}
        for passed_name, fd in passed:
            name = self._sorted(passed_name, fd, wanted, follows)
            if name and name not in found:
                found[name] = adopted(fd, settings, log)
            else:
                os.close(fd)
        for name, address in wanted.items():
            found[name] = found.get(name) or bound(address, settings, log)
        self.names, listeners = list(found), list(found.values())
        if not follows:
            self.listen(listeners)
        return listeners

    def _sorted(self, passed_name: str, fd: int, wanted: dict[str, Address], follows: bool) -> str:
        """The name under which a passed socket stays; empty when it goes."""
        address = address_of(fd)
        name = stored_name(address)
        if name in wanted and not reachable(address):
            self._forgotten.append(passed_name)
            return ""
        if name not in wanted and not any(covers(other, address) for other in wanted.values()):
            if follows:
                self._give_up(passed_name, address)
                return ""
            self._leaving.add(name)
        if name != passed_name:
            self._forgotten.append(passed_name)
        return name

    def _give_up(self, name: str, address: Address) -> None:
        self.moved = True
        self._forgotten.append(name)
        self._abandoned += [address] if isinstance(address, str) else []

    def listen(self, listeners: Sequence[Any]) -> None:
        """Have them all listen, now that somebody serves who connects, or will soon. Raises OSError when one cannot be had after all."""
        for listener in listeners:
            if not listens(listener):
                listener.listen(listener.conf.backlog)
        self.alone(listeners)

    def alone(self, listeners: Sequence[Any]) -> None:
        """Nobody is to take their addresses beside them, now that a move is over or given up."""
        for listener in listeners:
            share(listener, False)

    @property
    def leaving(self) -> bool:
        """Whether there are sockets that only the first generation shall know."""
        return bool(self._leaving)

    def drained(self, listeners: Sequence[Any]) -> bool:
        """Whether nobody waits any more at these, or at any where a successor knows which; who still came there after seconds wants what
        the settings do not want."""
        self._asked = self._asked or time.monotonic()
        theirs = [one for name, one in zip(self.names, listeners, strict=True) if name in self._leaving or not self._leaving]
        return all(map(nobody_waits, theirs)) or time.monotonic() - self._asked > _DRAINING

    def drop(self, listeners: Sequence[Any]) -> list[Any]:
        """Close these, which the workers that have them still serve; return the others."""
        rest = {}
        for name, listener in zip(self.names, listeners, strict=True):
            if name in self._leaving:
                self._give_up(name, address_of(listener.fileno()))
                listener.close()
            else:
                rest[name] = listener
        self.names, self._leaving = list(rest), set()
        return list(rest.values())

    def keep(self, listeners: Sequence[Any]) -> None:
        """Have systemd keep our sockets over a restart, and drop those that are not ours any more: as long as it holds one, it listens."""
        if self.given:
            return
        self._kept = True
        for name in self._forgotten:
            self._notifier.forget(name)
        for name, listener in zip(self.names, listeners, strict=True):
            if name not in self._leaving:
                self._notifier.store(name, listener.fileno())
        for path in self._abandoned:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._forgotten, self._abandoned = [], []

    def keep_on(self, listeners: Sequence[Any]) -> None:
        """Tell systemd once more what it has been told: it closes what it keeps when it reads unit files while the service's own is masked
        or missing, and says so to nobody. What it has is not taken twice (sd_notify(3), FDSTORE=1)."""
        if self._kept:
            self.keep(listeners)

    def passed_on(self, listeners: Sequence[Any]) -> list[tuple[int, str]]:
        """What a successor gets: all of our sockets, by name. It drops what its own settings do not want."""
        return [(listener.fileno(), name) for name, listener in zip(self.names, listeners, strict=True)]


def _passed() -> list[tuple[str, int]]:
    """Name and descriptor of each socket that was passed. The variables are taken out of the environment."""
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    count, pid = int(os.environ.pop("LISTEN_FDS", "0")), os.environ.pop("LISTEN_PID", "")
    count = count if pid == str(os.getpid()) else 0
    return list(zip((names + [""] * count)[:count], range(_FIRST_FD, _FIRST_FD + count), strict=True))
