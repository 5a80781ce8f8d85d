"""What the edge does for a service, as its clients see it. Standard library only."""

from __future__ import annotations

import re
import socket
import ssl
import time
from calendar import timegm

from raab.host import systemd
from raab.host.edge import sites, through
from raab.host.edge.maintenance import there
from raab.host.edge.unit import PORTS
from raab.host.paths import Paths
from raab.plain import plain
from raab.protocol.service import DomainRow, EdgeRow, PoolRow

_SECONDS = 2.0
# A certificate's validity (RFC 5280, 4.1.2.5): two times, each of one of two kinds, one right after the other.
_TIME = rb"(?:\x17\x0d([0-9]{12})Z|\x18\x0f([0-9]{14})Z)"
_VALIDITY = re.compile(rb"\x30[\x1e-\x22]" + _TIME + _TIME)


def look(paths: Paths) -> EdgeRow | None:
    """None where the service has no edge."""
    file = sites.file(paths)
    if not file.exists():
        return None
    state = systemd.show(paths.edge.unit, "ActiveState").get("ActiveState", "unknown")
    site = sites.read(file.read_bytes())
    elsewhere = (one.address for one in site.upstreams if not one.address.startswith("unix/"))
    pool = tuple(_in_pool(address, site.domains[0]) for address in elsewhere)
    return EdgeRow(state, tuple(map(_domain, site.domains)), pool, there(paths))


def _in_pool(address: str, domain: str) -> PoolRow:
    why = through.unready(address, domain, "/readyz", _SECONDS)
    return PoolRow(address, not why, plain(why, 200))


def _domain(domain: str) -> DomainRow:
    """By the certificate that is shown for it, whoever has signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", PORTS[1]), _SECONDS) as plain, context.wrap_socket(
            plain, server_hostname=domain
        ) as connection:  # fmt: skip
            return DomainRow(domain, *validity(connection.getpeercert(True) or b""))
    except OSError:
        return DomainRow(domain)


def validity(certificate: bytes) -> tuple[float, float]:
    """Since when and until when a certificate (DER) is good, in seconds since the epoch; zeros for what is none."""
    found = _VALIDITY.search(certificate)
    if found is None:
        return 0.0, 0.0
    since, until = (_moment(told.decode()) for told in found.groups() if told)
    return since, until


def _moment(text: str) -> float:
    """A time of two digits for its year is of 1950 to 2049."""
    century = "" if len(text) == 14 else "20" if text < "5" else "19"
    try:
        return float(max(0, timegm(time.strptime(century + text, "%Y%m%d%H%M%S"))))
    except ValueError:
        return 0.0
