"""Which addresses a setting means, and whether one that somebody else has taken is among them. Pure: hosts check by it, and plans."""

from __future__ import annotations

from typing import NamedTuple

from raab.protocol.facts import Taken

ANY = {4: "0.0.0.0", 6: "::"}
PATH = 0


class Address(NamedTuple):
    """One that is wanted: `version` is its protocol's, and PATH (with the path as its host) for a UNIX socket."""

    version: int
    host: str
    port: int

    def __str__(self) -> str:
        if self.version == PATH:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if self.version == 6 else f"{self.host}:{self.port}"


def meant(bind: str) -> tuple[Address, ...]:
    """The addresses of one of `server.bind`, as the master sees them (handover/outside/sockets.py). A name stays one, which only its host
    can resolve."""
    if bind.startswith("unix:"):
        return (Address(PATH, bind.removeprefix("unix:"), 0),)
    host, _, number = bind.rpartition(":")
    host, port = host.strip("[]"), int(number)
    if ":" not in host:
        return (Address(4, "127.0.0.1" if host == "localhost" else host, port),)
    return (Address(6, host, port), Address(4, ANY[4], port)) if host == ANY[6] else (Address(6, host, port),)


def meet(address: Address, taken: Taken) -> bool:
    """Whether one cannot be had while the other is there."""
    if address.port != taken.port:
        return False
    if address.version != taken.version:
        return address.version == 4 and taken.both
    return address.host == taken.host or ANY.get(address.version) in (address.host, taken.host)
