"""The header Forwarded (RFC 7239), taken apart."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# One parameter, or none, and what ends it. Section 4 of the RFC; blanks are let pass around the separators.
_PART = re.compile(rf'[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*)?([;,]|\Z)')
# Section 6: a node is an address, perhaps with a port; IPv6 stands in brackets. X-Forwarded-For has it without them, too.
_NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)")


class Hop(NamedTuple):
    """What one proxy says of the request that it got: the client's address, and the scheme and the host that were asked for. Empty is
    what it does not say, or hides."""

    client: str = ""
    scheme: str = ""
    host: str = ""


def hops(text: str) -> tuple[Hop, ...]:
    """Each proxy's word, the first proxy's first. Nothing at all is believed of a header that breaks the grammar somewhere."""
    found: list[Hop] = []
    here: dict[str, str] = {}
    at = 0
    while part := _PART.match(text, at):
        name, plain, quoted, end = part.groups()
        if name:
            if name.lower() in here:
                return ()
            here[name.lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if end != ";":
            if here:
                found.append(Hop(address(here.get("for", "")), here.get("proto", "").lower(), here.get("host", "")))
            here = {}
        if not end:
            return tuple(found)
        at = part.end()
    return ()


def address(node: str) -> str:
    """The IP address of a node, without its port; empty for `unknown`, for a name and for what is none."""
    match = _NODE.fullmatch(node.strip())
    text = match and (match[1] or match[2] or match[3])
    try:
        ipaddress.ip_address(text or "")
    except ValueError:
        return ""
    return text or ""
