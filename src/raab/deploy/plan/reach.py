"""By which URLs a service may be reached from elsewhere, by the addresses at which it listens. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

ANYWHERE = ("0.0.0.0", "[::]", "")


def reachable(address: str, binds: Iterable[str]) -> Iterator[str]:
    """`address` is where the host is reached. What listens on the host alone, or at a UNIX socket, is reached by nobody else."""
    for bind in binds:
        name, _, port = bind.rpartition(":")
        if not port.isdecimal() or bind.startswith("unix:") or loopback(name):
            continue
        there = address if name in ANYWHERE else name.strip("[]")
        yield f"http://[{there}]:{port}/" if ":" in there else f"http://{there}:{port}/"


def loopback(name: str) -> bool:
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"
