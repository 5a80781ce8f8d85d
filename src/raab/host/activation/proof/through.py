"""Whether the service is reached through the edge: by a request as a client of its domains would send it. Standard library only."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from raab.errors import RaabError
from raab.host.activation.proof import probe
from raab.host.edge.unit import PORTS
from raab.host.paths import EDGE, Paths
from raab.protocol.edge import ACME, INTERNAL, Edge

# Seconds until the host's own authority has made a certificate, and all is taken up; an authority elsewhere is not waited for longer.
_PATIENCE = {INTERNAL: 20.0, ACME: 5.0}
_TIMEOUT = 10.0


def prove(paths: Paths, told: Edge, token: str, release: str, say: Callable[[str], None]) -> None:
    """`token` is what the service knows the activation by. Raises RaabError where a domain does not lead to that release; a certificate
    that an authority elsewhere has not made yet is told."""
    for domain in told.domains:
        end = time.monotonic() + _PATIENCE[told.certificate]
        while problem := _problem(paths, told, domain, token, release):
            if time.monotonic() > end:
                if told.certificate == ACME and problem.startswith("TLS"):
                    say(f"{domain}: no certificate yet; journalctl -u {EDGE} says how that stands")
                    break
                hint = f"journalctl -u {EDGE} says more"
                raise RaabError(f"edge: https://{domain}/ does not lead to {release}, got {problem}", hint)
            time.sleep(0.05)


def _problem(paths: Paths, told: Edge, domain: str, token: str, release: str) -> str:
    """What is wrong, in words."""
    try:
        with socket.create_connection(("127.0.0.1", PORTS[1]), _TIMEOUT) as plain, _context(paths, told).wrap_socket(
            plain, server_hostname=domain
        ) as connection:  # fmt: skip
            connection.sendall(probe.request(token, domain))
            answer = probe.read_answer(connection)
    except (ssl.SSLError, FileNotFoundError) as error:
        return f"TLS: {getattr(error, 'reason', '') or error}"
    except OSError as error:
        return str(error) or type(error).__name__
    return "" if answer.release == release and answer.status == 200 else f"status {answer.status}, release {answer.release or 'none'}"


def _context(paths: Paths, told: Edge) -> ssl.SSLContext:
    """What the host's own authority has signed has to be of it; whom clients elsewhere believe this host need not know."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if told.certificate == INTERNAL:
        context.load_verify_locations(paths.edge.root)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
