"""Whom a proxy may speak for, and what of its words counts.

Anybody can send X-Forwarded-For and its like, and somewhere in an application somebody may look at them. So they are believed of the listed
proxies alone, and only those headers that the settings name; what is not believed, no application gets to see.
"""

from __future__ import annotations

import functools
import ipaddress
import re

from raab.web.believed.forwarded import Hop, address, hops
from raab.web.wsgi import WSGIEnvironment

# How server.forwarded_allow_ips names those who come by a UNIX socket, who have no address.
UNIX = "unix"
# Every header of the family, known to raab or not, among the keys of an environment, which have no blanks. One look at all of them takes
# 0.7 us, one at each by itself 1.7.
_FAMILY = re.compile(r"\bHTTP_(?:X_FORWARDED|FORWARDED|X_REAL_IP|X_REQUEST_ID)\S*")
# What the edge writes itself in each request, whatever its client has written (raab.host.edge.compose).
_BY_EDGE = frozenset(("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REQUEST_ID"))
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class Proxies:
    """`networks` are server.forwarded_allow_ips, `names` server.forwarded_headers. `edge` is the socket at which the host's edge asks,
    as nobody else can; empty where it does not. `edges` are those of other hosts."""

    def __init__(self, networks: tuple[str, ...], names: tuple[str, ...], edge: str = "", edges: tuple[str, ...] = ()) -> None:
        self._edge = edge
        self._networks = tuple(ipaddress.ip_network(network) for network in networks if network != UNIX)
        self._edges = tuple(ipaddress.ip_network(network) for network in edges)
        self._unix = UNIX in networks
        self._named = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in names)
        # A host has few proxies but many clients, when it is reached directly: the cache is bounded.
        self._contains = functools.lru_cache(maxsize=1024)(self._look_up)
        self._of_edge = functools.lru_cache(maxsize=1024)(functools.partial(_among, self._edges))

    def trusts(self, peer: str) -> bool:
        """Whether `peer`, an address as text, or empty for a UNIX socket's, is one of them."""
        return self._contains(peer) if peer else self._unix

    def settle(self, environ: WSGIEnvironment) -> str:
        """Takes out of the WSGI environment what is not believed, and puts what is where applications look for it: client, scheme, host,
        prefix. Returns the client's address."""
        peer = str(environ.get("REMOTE_ADDR", ""))
        told = _FAMILY.findall(" ".join(environ))
        if not told:
            return peer
        believed = _BY_EDGE if self._by_edge(peer, environ) else self._named if self.trusts(peer) else frozenset()
        for key in told:
            if key not in believed:
                del environ[key]
        if believed:
            self._believe(environ, peer)
        return str(environ.get("REMOTE_ADDR", ""))

    def _by_edge(self, peer: str, environ: WSGIEnvironment) -> bool:
        """By the connection's own socket, in which no client has a say; peers of UNIX sockets alone have no address. One of another host by
        its own address."""
        if peer:
            return bool(self._edges) and self._of_edge(peer)
        connection = environ.get("gunicorn.socket") if self._edge else None
        return connection is not None and bool(connection.getsockname() == self._edge)

    def _believe(self, environ: WSGIEnvironment, peer: str) -> None:
        if "HTTP_FORWARDED" in environ:
            client, hop = self._client(peer, hops(environ["HTTP_FORWARDED"]))
            scheme, host = hop.scheme, hop.host
        else:
            told = environ.get("HTTP_X_FORWARDED_FOR", "")
            client, _ = self._client(peer, tuple(Hop(address(node)) for node in told.split(",")))
            scheme, host = _last(environ, "HTTP_X_FORWARDED_PROTO").lower(), _last(environ, "HTTP_X_FORWARDED_HOST")
        if client != peer:
            environ["REMOTE_ADDR"] = client
            # The proxy's own.
            environ.pop("REMOTE_PORT", None)
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if host:
            environ["HTTP_HOST"] = host
        port = _last(environ, "HTTP_X_FORWARDED_PORT")
        if _PORT.fullmatch(port):
            environ["SERVER_PORT"] = port
            name = re.sub(r":[0-9]*\Z", "", environ.get("HTTP_HOST", ""))
            usual = {"http": "80", "https": "443"}.get(environ.get("wsgi.url_scheme", ""))
            environ["HTTP_HOST"] = name if port == usual or not name else f"{name}:{port}"
        prefix = _last(environ, "HTTP_X_FORWARDED_PREFIX").rstrip("/")
        if _PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix

    def _client(self, peer: str, told: tuple[Hop, ...]) -> tuple[str, Hop]:
        """The client, and what is said of it: the last one that no trusted proxy has the address of. Whatever stands further left, the
        client itself may have written; and what a proxy hides ends the search at that proxy."""
        found = Hop()
        for hop in reversed(told):
            found = hop
            if not hop.client:
                break
            peer = hop.client
            if not self.trusts(peer):
                break
        return peer, found

    def _look_up(self, peer: str) -> bool:
        return _among(self._networks, peer)


def _among(networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], peer: str) -> bool:
    try:
        found = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(found in network for network in networks)


def _last(environ: WSGIEnvironment, key: str) -> str:
    """The nearest proxy's own word, where there are several."""
    return str(environ.get(key, "")).rpartition(",")[2].strip()
