"""A client of a domain, to a lab host by its address."""

from __future__ import annotations

import http.client
import socket
import ssl

DOMAIN = "shop.test"
# The certificate of the host's own authority, on the host.
ROOT = "/var/lib/raab-edge/pki/authorities/local/root.crt"


class Connection(http.client.HTTPSConnection):
    """To a host by its address, as a client of the domain."""

    def __init__(self, address: str, context: ssl.SSLContext, domain: str = DOMAIN) -> None:
        super().__init__(domain, timeout=30, context=context)
        self.address, self.context = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self.address, 443), self.timeout)
        self.sock = self.context.wrap_socket(plain, server_hostname=self.host)
