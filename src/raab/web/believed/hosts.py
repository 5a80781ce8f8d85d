"""The Host header: of which URLs can be made, and which names are served."""

from __future__ import annotations

import ipaddress
import re

from raab.web.context import is_health
from raab.web.refusal import bad_host, foreign_host
from raab.web.wsgi import WSGIEnvironment

# RFC 1123 section 2.1 and RFC 1035 section 2.3.4: labels of at most 63 letters, digits and hyphens; and the underscore, which is in many
# internal names. RFC 3986 would let pass what neither DNS nor Python's urllib does.
_NAME = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}))*\.?")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]{0,5}))?")
_KEPT = 1000


class Hosts:
    """Looks at the Host header of each request. `served` is security.hosts: names, `*.name` for any below it; nothing for any at all.

    `known` are the headers that have been found good, a bounded number of them, so that it is a look into a set for nearly every request.
    """

    def __init__(self, served: tuple[str, ...], public_health: bool) -> None:
        self._names = frozenset(name_of(name) for name in served if not name.startswith("*"))
        self._below = tuple(name.removeprefix("*").lower() for name in served if name.startswith("*"))
        self._public_health = public_health
        self.known: set[str | None] = set()

    def check(self, environ: WSGIEnvironment) -> None:
        """Raises Refusal for an HTTP/1.1 request without a Host header, for one that no URL could hold, since applications make URLs of
        it, and for one that is not served here. Whoever asks for health, a load balancer or raab itself, knows no name but an address."""
        host = environ.get("HTTP_HOST")
        if host is None and environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
            name = ""
        else:
            name = name_of(host or "")
            if not name:
                raise bad_host()
        if not self.serves(name):
            if is_health(environ, self._public_health):
                return
            raise foreign_host()
        if host is not None and len(self.known) < _KEPT:
            self.known.add(host)

    def serves(self, name: str) -> bool:
        """Whether a name, in lower case, is one that security.hosts names."""
        return not (self._names or self._below) or name in self._names or name.endswith(self._below)


def name_of(host: str) -> str:
    """The name or address in a Host header, in lower case and without the dot that may end it. Empty where no URL can be made of it."""
    match = _HOST.fullmatch(host)
    if not match or int(match[3] or 0) > 65_535:
        return ""
    if match[1]:
        try:
            return str(ipaddress.IPv6Address(match[1]))
        except ValueError:
            return ""
    name = match[2].lower()
    # A name that ends in a number is an address to browsers and to most libraries (WHATWG URL, section 3.5), and then it has to be one.
    if name.rstrip(".").rpartition(".")[2].isdecimal():
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            return ""
    return name.removesuffix(".") if _NAME.fullmatch(name) else ""
