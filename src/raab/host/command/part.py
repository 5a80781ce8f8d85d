"""Root's part of what systemd does with the unit. The unit's own command asks for it (`ask`), as the service's user and with all that the
service is given; another unit of systemd's does it and answers, as root and with nothing of the service's.

Nothing is read of who asks. That it is what systemd runs for a unit just now, and for what, is systemd's word (`do`).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable, Mapping

from raab import servicename
from raab.errors import RaabError
from raab.host import processes, systemd
from raab.host.paths import Paths

# Bytes of an answer, which is a packet.
_MOST = 1 << 16


def ask(paths: Paths) -> str:
    """What was done, in lines. Raises RaabError when it was not, and where root does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        try:
            channel.connect(str(paths.part))
            answer = channel.recv(_MOST)
        except OSError as error:
            raise RaabError(
                f"{paths.part}: root does not answer, got {error.strerror}", f"systemctl start raab-root@{paths.name}.socket"
            ) from error
    code, _, text = answer.decode(errors="replace").partition("\n")
    if not code.isdecimal():
        raise RaabError(f"{paths.part}: root's part has ended without an answer", "journalctl -u raab-root@* -n 50")
    if int(code):
        raise RaabError(text, exit_code=int(code))
    return text


def do(channel: socket.socket, works: Mapping[str, Callable[[Paths], str]]) -> str:
    """The one of these that systemd has the unit's command ask for, by the unit's state (SubState). Raises RaabError for anybody else."""
    asking = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    # By the kernel's word, systemd put it there.
    unit = processes.control_group(asking).rpartition("/")[2]
    name = unit.removesuffix(".service")
    state = systemd.show(unit, "ControlPID", "SubState") if name != unit and not servicename.wrong(name) else {}
    work = works.get(state.get("SubState", ""))
    if work is None or state.get("ControlPID") != str(asking):
        raise RaabError(f"root's part: it is for the commands of a service's unit, got process {asking}")
    return work(Paths(name))


def answer(channel: socket.socket, code: int, text: str) -> None:
    """To who asked, who may end now: there is nothing more to undo."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.send(f"{code}\n{text}".encode(errors="replace")[:_MOST])


def end_with(channel: socket.socket) -> None:
    """Who asks is ended by systemd when it takes too long; this ends with it, in the same way."""

    def watch() -> None:
        poll = select.poll()
        poll.register(channel, 0)
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
