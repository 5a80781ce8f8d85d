"""The ways in which a host starts root's program: `raab` on the operator's path, and the units of its part."""

from __future__ import annotations

from pathlib import Path

from raab.host import systemd
from raab.host.durable import write_durably
from raab.host.paths import Paths

# Where the unit of a service (%i) asks for root's part of its start and reload, and what answers there (raab.host.command.part). systemd
# gives a unit's variables to each of its commands, root's too, and some put code into whatever is run (LD_PRELOAD=): so it is another unit.
SOCKET = """# Written by raab.
[Unit]
Description=where %i.service asks for root's part

[Socket]
ListenSequentialPacket={place}
# The service's alone; and who asks has to be the very process that systemd runs for its unit.
SocketUser=%i
SocketMode=0600
Accept=yes
# A process of the service's that asks without end is refused each time, and shuts nobody else out.
TriggerLimitIntervalSec=0
"""
ANSWER = """# Written by raab.
[Unit]
Description=root's part of a service
CollectMode=inactive-or-failed

[Service]
ExecStart=/usr/bin/python3 -IS {program} part
StandardInput=socket
StandardOutput=journal
StandardError=journal
# One is started at each reload; only a failure of its own is worth a line.
SyslogLevel=err
LogLevelMax=warning
"""
# -I and -S: neither the caller's variables nor any site-packages have a part in what root runs.
COMMAND = (
    '#!/bin/sh\n# Written by raab: root\'s own program, whatever release is current.\nexec /usr/bin/python3 -IS {program} command "$@"\n'
)


def offer(paths: Paths) -> None:
    """Have what the host starts it by lead there: `raab` on the operator's path, and the units of its part."""
    for target, text in beside(paths).items():
        there = not target.is_symlink() and target.is_file()
        if not there or target.read_bytes() != text.encode():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, text.encode(), 0o755 if target == paths.command else 0o644)
            if there and target != paths.command:
                systemd.order("systemctl", "daemon-reload")


def beside(paths: Paths) -> dict[Path, str]:
    """The files by which it is started, with their texts."""
    return {
        paths.command: COMMAND.format(program=paths.roots_own),
        paths.units / "raab-root@.socket": SOCKET.format(place=paths.part.with_name("%i")),
        paths.units / "raab-root@.service": ANSWER.format(program=paths.roots_own),
    }
