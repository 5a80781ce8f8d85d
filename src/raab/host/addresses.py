"""Whether the service can have the addresses that its settings name, and who holds one that it cannot have. Standard library only."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from raab.errors import RaabError
from raab.host import systemd
from raab.host.listening import Listening, holder, holders, listening, user
from raab.host.paths import UNIT, USER
from raab.host.processes import control_group

_ANY = {4: "0.0.0.0", 6: "::"}
_HINT = "name another one, or end what holds it"


class Address(NamedTuple):
    """One that is wanted."""

    version: int
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.version == 6 else f"{self.host}:{self.port}"


def check(binds: Sequence[str], admin_port: int) -> None:
    """Raises RaabError with each address that the service would not get, were it started now; what it has itself it would get.

    Says nothing where there is no such service. Where socket units listen for it, theirs are its addresses.
    """
    try:
        uid = pwd.getpwnam(USER).pw_uid
    except KeyError:
        return
    if units := systemd.show(UNIT, "TriggeredBy").get("TriggeredBy", "").split():
        _check_units(binds, units)
        return
    wanted = [*(("server.bind", bind) for bind in binds), *([("server.admin_port", f"127.0.0.1:{admin_port}")] if admin_port else [])]
    found = [(f"{setting}: {text}", hint) for setting, bind in wanted for text, hint in problems(bind, uid)]
    if found:
        raise RaabError("\n".join(text for text, _ in found), found[0][1])


def _check_units(binds: Sequence[str], units: Sequence[str]) -> None:
    """By port and path alone: one address may be written in several ways."""
    listen = systemd.order("systemctl", "show", "--no-pager", "--property=Listen", "--value", *units).stdout.split()
    for bind in binds:
        if not any(word == bind.removeprefix("unix:") or word.rpartition(":")[2] == bind.rpartition(":")[2] for word in listen):
            addresses = ", ".join(word for word in listen if word[0] != "(")
            raise RaabError(f"server.bind: {bind} is none of the addresses of {', '.join(units)}, got {addresses}", "make them the same")


def problems(bind: str, uid: int) -> Iterator[tuple[str, str]]:
    """What stands against one address, with a hint, for a service of the user `uid`."""
    if bind.startswith("unix:"):
        yield from _problems_of_path(bind.removeprefix("unix:"), uid)
        return
    host, _, number = bind.rpartition(":")
    for address in _resolved(host.strip("[]"), int(number)):
        if isinstance(address, str):
            yield f"{bind}: {address}", "name an address of this host, or 0.0.0.0 or [::] for all of them"
        elif address.port < _lowest_port():
            yield (
                f"{address} is for root alone, as all ports below {_lowest_port()} are",
                "name a higher port, or have systemd listen (systemd/sockets/raab.socket)",
            )
        else:
            yield from _problems_of_port(address, uid)


def _problems_of_path(path: str, uid: int) -> Iterator[tuple[str, str]]:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"unix:{path}: {error.strerror}", "name another path"
        return
    if not stat.S_ISSOCK(found.st_mode):
        yield f"unix:{path} is taken by something that is no socket", "name another path, or remove it"
    elif found.st_uid != uid:
        yield f"unix:{path} is held by {user(found.st_uid)}", _HINT


def _problems_of_port(address: Address, uid: int) -> Iterator[tuple[str, str]]:
    there = [one for one in listening() if one.port == address.port and _meet(one, address)]
    foreign = [one for one in there if not _ours(one, uid)]
    # Whether one for [::] takes the other family, too, cannot be read; it does not where ours is there, or where one could be.
    certain = [one for one in foreign if one.version == address.version]
    if certain or (foreign and len(foreign) == len(there) and not _free(address)):
        yield f"{address} is held by {holder((certain or foreign)[0])}", _HINT


def _resolved(host: str, port: int) -> Iterator[Address | str]:
    """The addresses that a setting means, as the master sees them (handover/outside/sockets.py), or why there is none."""
    if ":" in host:
        versions = [(6, host), (4, _ANY[4])] if host == _ANY[6] else [(6, host)]
    else:
        try:
            versions = [(4, socket.gethostbyname(host))]
        except OSError as error:
            yield f"nobody knows the name ({error.strerror})"
            return
    for version, name in versions:
        try:
            _bind(Address(version, name, 0))
        except OSError as error:
            yield f"this host has no such address ({error.strerror})"
        else:
            yield Address(version, name, port)


def _bind(address: Address) -> None:
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))


def _free(address: Address) -> bool:
    try:
        _bind(address)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def _lowest_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


def _meet(one: Listening, address: Address) -> bool:
    if one.version != address.version:
        return one.version == 6 and one.host == _ANY[6]
    return one.host == address.host or _ANY[one.version] in (one.host, address.host)


def _ours(one: Listening, uid: int) -> bool:
    """Whether the service has it, or systemd for it. Who is not root sees nobody's descriptors, and knows no more than the user."""
    if one.uid != uid:
        return False
    pids = holders(one.inode)
    return not pids or any(pid == 1 or UNIT in control_group(pid).split("/") for pid in pids)
