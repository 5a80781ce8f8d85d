"""To which of an edge's sockets new connections go. Standard library only."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

from raab.host.edge.unit import PORTS
from raab.host.paths import EdgePaths

# linux/asm-generic/socket.h. Python has no name for it.
_SO_ATTACH_REUSEPORT_CBPF = 51
# BPF_RET | BPF_K (linux/bpf_common.h): all that the program does is to return a number.
_RETURN = 0x06


def lead(place: EdgePaths, edition: int) -> None:
    """Have new connections go to an edition from now on, and note it: the kernel tells nobody."""
    steer(edition)
    place.steered.write_text(str(edition))


def led(place: EdgePaths) -> tuple[int, float]:
    """To which edition they go, and since when, in seconds since the epoch."""
    try:
        return int(place.steered.read_text()), place.steered.stat().st_mtime
    except (OSError, ValueError):
        return 0, 0.0


def steer(edition: int, ports: Sequence[int] = PORTS) -> None:
    """Have them go to those of an edition; what waits at the others stays there.

    Sockets of one user that share an address form a group, in the order in which they began to listen, and have one program in common that
    says which of them gets a connection (socket(7), SO_ATTACH_REUSEPORT_CBPF). Who joins it for a moment may give it another one.
    """
    for port in ports:
        with _joined(port) as member:
            code = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, edition % 2))
            member.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, struct.pack("HP", 1, ctypes.addressof(code)))


def _joined(port: int) -> socket.socket:
    """As systemd's are made: of IPv6 and IPv4 both, where the host has IPv6."""
    family, everywhere = (socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else (socket.AF_INET, "0.0.0.0")
    member = socket.socket(family, socket.SOCK_STREAM)
    try:
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        member.bind((everywhere, port))
        member.listen(1)
    except OSError:
        member.close()
        raise
    return member
