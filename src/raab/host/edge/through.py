"""Whether a service on other hosts is reached from this one, and through its edge. Standard library only."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from raab.errors import RaabError
from raab.host.edge.unit import PORTS
from raab.host.paths import EDGE, Paths
from raab.protocol.edge import ACME, INTERNAL, Edge

Say = Callable[[str], None]
_TIMEOUT = 5.0
# Seconds until the host's own authority has made a certificate; an authority elsewhere is not waited for longer.
_PATIENCE = {INTERNAL: 20.0, ACME: 5.0}


def unready(upstream: str, domain: str, path: str = "/livez", timeout: float = _TIMEOUT) -> str:
    """Why a service on another host does not answer with 200 there, in words; empty where it does. One that is drained is alive."""
    host, _, port = upstream.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": domain})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if status == 200 else f"status {status}"


def answers(upstream: str, domain: str) -> None:
    """Raises RaabError where nobody of the service answers there."""
    if problem := unready(upstream, domain):
        hint = (
            "the service has to listen there for its edges (`server.bind`, `server.public_health`, `service_port`), and no firewall between"
        )
        raise RaabError(f"edge: no host of the service answers at {upstream}, got {problem}", hint)


class _Through(HTTPSConnection):
    """To this host's edge, as a client of a domain."""

    def __init__(self, domain: str, context: ssl.SSLContext) -> None:
        super().__init__(domain, timeout=_TIMEOUT, context=context)
        self.context = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", PORTS[1]), self.timeout)
        self.sock = self.context.wrap_socket(plain, server_hostname=self.host)


def leads(paths: Paths, told: Edge, domain: str, say: Say) -> None:
    """Raises RaabError where the domain leads to nobody who is ready; a certificate that an authority elsewhere has not made is told."""
    end = time.monotonic() + _PATIENCE[told.certificate]
    while problem := _problem(paths, told, domain):
        if time.monotonic() > end:
            if told.certificate == ACME and problem.startswith("TLS"):
                say(f"{domain}: no certificate yet; journalctl -u {EDGE} says how that stands")
                return
            raise RaabError(f"edge: https://{domain}/readyz is not answered through it, got {problem}", f"journalctl -u {EDGE} says more")
        time.sleep(0.05)


def anybody() -> ssl.SSLContext:
    """Of a client that believes whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def status(context: ssl.SSLContext, domain: str, path: str) -> int:
    """Of what this host's edge answers. Raises OSError or HTTPException where it does not."""
    return answer(context, domain, path)[0]


def answer(context: ssl.SSLContext, domain: str, path: str) -> tuple[int, dict[str, str]]:
    """The same with its headers, by their names in small letters."""
    connection = _Through(domain, context)
    try:
        connection.request("GET", path)
        found = connection.getresponse()
        return found.status, {name.lower(): value for name, value in found.getheaders()}
    finally:
        connection.close()


def _problem(paths: Paths, told: Edge, domain: str) -> str:
    try:
        context = anybody() if told.certificate != INTERNAL else ssl.create_default_context(cafile=str(paths.edge.root))
        found = status(context, domain, "/readyz")
    except (ssl.SSLError, FileNotFoundError) as error:
        return f"TLS: {getattr(error, 'reason', '') or error}"
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    return "" if found == 200 else f"status {found}"
