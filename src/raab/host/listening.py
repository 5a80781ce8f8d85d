"""Which sockets of this host listen, and who has them. Standard library only."""

from __future__ import annotations

import pwd
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from raab.host.processes import control_group, process

_LISTENS = "0A"


class Listening(NamedTuple):
    """A socket that listens on this host; `version` is that of its address's protocol."""

    version: int
    host: str
    port: int
    uid: int
    inode: str


def listening() -> Iterator[Listening]:
    """All of this host's sockets that listen (proc(5), /proc/net/tcp)."""
    for version, name in ((4, "tcp"), (6, "tcp6")):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS:
                host, _, port = fields[1].partition(":")
                yield Listening(version, _host(version, host), int(port, 16), int(fields[7]), fields[9])


def _host(version: int, text: str) -> str:
    """Words of 32 bits in the order of this machine's bytes."""
    words = bytes.fromhex(text)
    turned = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    return socket.inet_ntop(socket.AF_INET6 if version == 6 else socket.AF_INET, turned)


def holders(inode: str) -> list[int]:
    """The processes that have a socket, of those into which this one may look."""
    return sorted({int(path.parts[2]) for path in _descriptors() if _target(path) == f"socket:[{inode}]"})


def _descriptors() -> Iterable[Path]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                yield from (folder / "fd").iterdir()
            except OSError:
                continue


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def holder(one: Listening) -> str:
    """Who has a socket, in words."""
    known = (process(pid) for pid in holders(one.inode))
    names = [f"{found.name} (pid {found.pid}, {control_group(found.pid).rpartition('/')[2] or 'no unit'})" for found in known if found]
    return f"{' and '.join(names[:3]) or 'a process'} of {user(one.uid)}"


def user(uid: int) -> str:
    """In words, and by name where there is one."""
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"
