"""Whether the service can have the addresses that its settings name, and who holds one that it cannot have.

For root alone: nobody else can see who listens. What only the service itself can see, it has said (`barred`).
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd
from raab.host.address.listening import taken, user
from raab.host.address.taken import PATH, Address, meant, meet
from raab.host.paths import Paths
from raab.protocol.facts import Taken

HINT = "name another one, or end what holds it"
# Directives by which systemd makes folders at a start, and where (systemd.exec(5)).
_MADE = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log"}


def check(paths: Paths, binds: Sequence[str], admin_port: int, barred: Sequence[str] = ()) -> None:
    """Raises RaabError with each address that the service would not get, were it started now; what it has itself it would get. `barred` are
    folders to which it may not write.

    Says nothing where there is no such service. Where socket units listen for it, theirs are its addresses.
    """
    try:
        uid = pwd.getpwnam(paths.user).pw_uid
    except KeyError:
        return
    shown = systemd.show(paths.unit, "TriggeredBy", *_MADE)
    if units := shown.get("TriggeredBy", "").split():
        _check_units(binds, units)
        return
    # The service's own, also where its unit is yet to come.
    made = [f"{place}/{name.partition(':')[0]}" for key, place in _MADE.items() for name in (paths.name, *shown.get(key, "").split())]
    wanted = [*(("server.bind", bind) for bind in binds), *([("server.admin_port", f"127.0.0.1:{admin_port}")] if admin_port else [])]
    others = taken(paths.unit, uid)
    found = [(f"{setting}: {text}", hint) for setting, bind in wanted for text, hint in problems(paths, bind, uid, others, made, barred)]
    if found:
        raise RaabError("\n".join(text for text, _ in found), found[0][1])


def _check_units(binds: Sequence[str], units: Sequence[str]) -> None:
    """By port and path alone: one address may be written in several ways."""
    listen = systemd.order("systemctl", "show", "--no-pager", "--property=Listen", "--value", *units).stdout.split()
    for bind in binds:
        if not any(word == bind.removeprefix("unix:") or word.rpartition(":")[2] == bind.rpartition(":")[2] for word in listen):
            addresses = ", ".join(word for word in listen if word[0] != "(")
            raise RaabError(f"server.bind: {bind} is none of the addresses of {', '.join(units)}, got {addresses}", "make them the same")


def problems(
    paths: Paths, bind: str, uid: int, others: Sequence[Taken], made: Sequence[str] = (), barred: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """What stands against one address, with a hint, for a service of the user `uid`, where `others` are taken, a start makes the folders
    `made`, and the service may not write to those that are `barred`."""
    for address in meant(bind):
        if address.version == PATH:
            yield from _problems_of_path(paths, address.host, uid, made, barred)
            continue
        try:
            here = _here(address)
        except OSError as error:
            yield f"{bind}: {error.strerror}", "name an address of this host, or 0.0.0.0 or [::] for all of them"
            continue
        holder = next((one.holder for one in others if meet(here, one)), "")
        if here.port < _lowest_port():
            yield (
                f"{here} is for root alone, as all ports below {_lowest_port()} are",
                "name a higher port, or have systemd listen (systemd/sockets/raab.socket)",
            )
        elif holder:
            yield f"{here} is held by {holder}", HINT


def _problems_of_path(paths: Paths, path: str, uid: int, made: Sequence[str], barred: Sequence[str]) -> Iterator[tuple[str, str]]:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        folder = Path(path).parent
        if not folder.is_dir() and str(folder) not in made:
            yield f"unix:{path}: there is no folder {folder}", "make it, for the service to write there, or name another path"
        elif str(folder) in barred:
            yield f"unix:{path}: the service may not write to {folder}", f"name a path in {paths.runtime} or /var/lib/{paths.name}"
        return
    except OSError as error:
        yield f"unix:{path}: {error.strerror}", "name another path"
        return
    if not stat.S_ISSOCK(found.st_mode):
        yield f"unix:{path} is taken by something that is no socket", "name another path, or remove it"
    elif found.st_uid != uid:
        yield f"unix:{path} is held by {user(found.st_uid)}", HINT


def _here(address: Address) -> Address:
    """The same by number. Raises OSError that says why this host has none such."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        host = str(socket.getaddrinfo(address.host, None, family, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise OSError(error.errno, f"nobody knows the name ({error.strerror})") from error
    with socket.socket(family) as sock:
        try:
            sock.bind((host, 0))
        except OSError as error:
            raise OSError(error.errno, f"this host has no such address ({error.strerror})") from error
    return Address(address.version, host, address.port)


def _lowest_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024
