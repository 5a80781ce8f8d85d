"""Whom a proxy may speak for. Believed from the listed addresses alone: anybody can send X-Forwarded-For."""

from __future__ import annotations

import functools
import ipaddress

from raab.web.wsgi import WSGIEnvironment


class TrustedProxies:
    """The addresses and networks of server.forwarded_allow_ips."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        # A host has few proxies but many clients, when it is reached directly: the cache is bounded.
        self._contains = functools.lru_cache(maxsize=1024)(self._look_up)

    def trusts(self, peer: str) -> bool:
        """Whether `peer`, an address as text, is one of them."""
        return bool(self._networks) and self._contains(peer)

    def believe(self, environ: WSGIEnvironment) -> str:
        """Puts client and scheme as told by the proxy into the WSGI environment; returns the client's address.

        The client is the last address that no trusted proxy has: whatever stands further left, the client itself may have written.
        """
        peer = str(environ.get("REMOTE_ADDR", ""))
        for told in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            address = told.strip()
            if not _is_address(address):
                break
            peer = address
            if not self.trusts(address):
                break
        environ["REMOTE_ADDR"] = peer
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        return peer

    def _look_up(self, peer: str) -> bool:
        return _is_address(peer) and any(ipaddress.ip_address(peer) in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
