"""A lab's bridge on this machine. Hosts reach it and one another; nothing is routed or translated, so they reach no further."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from raab.errors import RaabError
from raab.lab.process import run
from raab.lab.state import Ground, LabHost, subnet

LINKS = Path("/sys/class/net")


def is_unused(number: int, links: Iterable[str], routes: Iterable[str]) -> bool:
    """Whether nobody uses the bridge and the subnet of that number.

    `links` are the names of all interfaces, `routes` the destinations of all routes (`10.0.0.0/8`, `10.0.0.1`, `default`).
    """
    networks = (ipaddress.IPv4Network(route) for route in routes if route[:1].isdigit())
    return f"rl{number}" not in links and not any(subnet(number).overlaps(network) for network in networks)


def unused() -> Callable[[int], bool]:
    """`is_unused` for this machine as it is now."""
    links = [link.name for link in LINKS.iterdir()]
    routes = [str(route["dst"]) for route in json.loads(run("lab", "ip", "-json", "-4", "route", "show", "table", "all"))]
    return lambda number: is_unused(number, links, routes)


def build(ground: Ground) -> None:
    """Makes the bridge with the machine's address, or completes what a killed command began."""
    hint = "the lab needs the kernel's bridge and veth drivers and the right to make interfaces (CAP_NET_ADMIN)"
    if not (LINKS / ground.bridge).exists():
        run("lab network", "ip", "link", "add", ground.bridge, "type", "bridge", hint=hint)
    run("lab network", "ip", "address", "replace", ground.gateway, "dev", ground.bridge, hint=hint)
    # Without an address of its own a bridge takes one of its cables', and another one when that host ends: the others would then
    # send to an address that is gone until their neighbour tables expire.
    address = f"02:61:61:62:00:{ground.number:02x}"
    run("lab network", "ip", "link", "set", ground.bridge, "address", address, "up", hint=hint)


def remove(ground: Ground) -> None:
    """Takes the bridge and every cable of the lab away."""
    for link in left(ground):
        # The kernel removes a cable by itself when its host ends, perhaps just now.
        with contextlib.suppress(RaabError):
            run("lab network", "ip", "link", "delete", link)
    if left(ground):
        raise RaabError(f"lab network: interfaces did not go away, got {', '.join(left(ground))}", "`ip link delete` them")


def left(ground: Ground) -> list[str]:
    """The lab's interfaces that exist."""
    names = (link.name for link in LINKS.iterdir())
    return sorted(name for name in names if name == ground.bridge or name.startswith(f"vb-{ground.machine_prefix}"))


def cut(host: LabHost) -> None:
    """Takes the host's cable off the bridge. The host sees no loss of carrier: packets vanish, as they do in a real network.

    On a cable of its own the machine would answer the host's question for the gateway's address (ip-sysctl, arp_ignore), and take its
    packets, as soon as the host had forgotten who that was; so it is told to answer nothing there before the cable comes off.
    """
    settings(host).joinpath("arp_ignore").write_text("8")
    run(f"lab host {host.name}", "ip", "link", "set", host.link, "nomaster", hint="is it running? `fab lab.up` starts it")


def settings(host: LabHost) -> Path:
    """Of the machine's end of the cable; they go with it when the host ends. Raises RaabError when it does not run."""
    folder = Path("/proc/sys/net/ipv4/conf") / host.link
    if not folder.is_dir():
        raise RaabError(f"lab host {host.name}: it has no cable, got no {host.link}", "is it running? `fab lab.up` starts it")
    return folder


def heal(host: LabHost) -> None:
    """Puts the host's cable back on the bridge."""
    run(f"lab host {host.name}", "ip", "link", "set", host.link, "master", host.bridge, hint="is it running? `fab lab.up` starts it")
    settings(host).joinpath("arp_ignore").write_text("0")
