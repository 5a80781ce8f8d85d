"""Which sockets of this host listen, and who has them. Standard library only."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from raab.host.address.taken import PATH
from raab.host.processes import control_group, process
from raab.plain import plain
from raab.protocol.facts import Taken

# sock_diag(7) and <linux/inet_diag.h>, <linux/netlink.h>.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_LISTENS = 10
_ONLY_6 = 11
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI48x")
_ANSWER = struct.Struct("=BBBB2s2s16s28xIIIII")
_ATTRIBUTE = struct.Struct("=HH")
# __SO_ACCEPTCON, by which proc(5) tells sockets that listen.
_ACCEPTS = 0x10000


class Listening(NamedTuple):
    """A socket that listens on this host; `version` is that of its address's protocol, `both` as in Taken (raab.host.address.taken)."""

    version: int
    host: str
    port: int
    both: bool
    uid: int
    inode: str


def taken(unit: str, uid: int, closely: bool = True) -> list[Taken]:
    """The addresses at which others listen than the service of this unit, whose user is `uid`. `closely`: also that user's own outside of
    it, and who holds each; otherwise its user is known, within a millisecond."""
    here = [*listening(), *_paths()]
    pids = holders({one.inode for one in here}) if closely else {}
    others = [one for one in here if not _ours(unit, one, uid, pids.get(one.inode, ()))]
    return [Taken(one.version, one.host, one.port, one.both, _holder(one, pids.get(one.inode, ()))) for one in others]


def listening() -> Iterator[Listening]:
    """Those of TCP; none where the kernel cannot be asked, as from within the service's sandbox. It gives no others, of which /proc/net/tcp
    is full."""
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        for body in _answers(_QUESTION.pack(family, socket.IPPROTO_TCP, 0, 1 << _LISTENS)):
            port, address, uid, inode = (_ANSWER.unpack_from(body)[index] for index in (4, 6, 10, 11))
            host = socket.inet_ntop(family, address[: 4 if version == 4 else 16])
            both = version == 6 and host == "::" and _attributes(body[_ANSWER.size :]).get(_ONLY_6, b"\0") == b"\0"
            yield Listening(version, host, int.from_bytes(port, "big"), both, uid, str(inode))


def _answers(question: bytes) -> Iterator[bytes]:
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
    except OSError:
        return
    with sock:
        sock.send(_HEADER.pack(_HEADER.size + len(question), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + question)
        while True:
            told = sock.recv(1 << 18)
            while told:
                length, kind, *_ = _HEADER.unpack_from(told)
                # The end, or an error.
                if kind != _SOCK_DIAG_BY_FAMILY:
                    return
                yield told[_HEADER.size : length]
                told = told[length + 3 & ~3 :]


def _attributes(told: bytes) -> dict[int, bytes]:
    found = {}
    while len(told) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(told)
        found[kind] = told[_ATTRIBUTE.size : length]
        told = told[max(length, _ATTRIBUTE.size) + 3 & ~3 :]
    return found


def _paths() -> Iterator[Listening]:
    """Those with a path, which belong to whom the path does (proc(5), /proc/net/unix)."""
    try:
        lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]
    except OSError:
        return
    for fields in map(str.split, lines):
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS and fields[7].startswith("/"):
            try:
                owner = os.stat(fields[7]).st_uid  # noqa: PTH116  Path.stat() takes twice as long.
            except OSError:
                continue
            yield Listening(PATH, plain(fields[7]), 0, False, owner, fields[6])


def holders(inodes: Collection[str]) -> dict[str, list[int]]:
    """The processes that have each of these sockets, of those into which this one may look."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, list[int]] = {}
    for pid in (entry for entry in os.listdir("/proc") if entry.isdecimal()):  # noqa: PTH208
        try:
            targets = {os.readlink(entry) for entry in os.scandir(f"/proc/{pid}/fd")}  # noqa: PTH115
        except OSError:
            continue
        for target in targets & wanted.keys():
            found.setdefault(wanted[target], []).append(int(pid))
    return {inode: sorted(pids) for inode, pids in found.items()}


def _ours(unit: str, one: Listening, uid: int, pids: Collection[int]) -> bool:
    """Whether the service has it, or systemd for it. Who is not root sees nobody's descriptors, and knows no more than the user."""
    if one.uid != uid:
        return False
    return not pids or any(pid == 1 or unit in control_group(pid).split("/") for pid in pids)


def _holder(one: Listening, pids: Collection[int]) -> str:
    """Who has a socket, in words."""
    known = (process(pid) for pid in pids)
    names = [f"{found.name} (pid {found.pid}, {control_group(found.pid).rpartition('/')[2] or 'no unit'})" for found in known if found]
    return f"{' and '.join(names[:3]) or 'a process'} of {user(one.uid)}"


def user(uid: int) -> str:
    """In words, and by name where there is one."""
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"
