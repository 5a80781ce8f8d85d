"""Caddy's settings for certificates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raab.host.edge.challenges import several
from raab.host.edge.site import Site

Json = dict[str, Any]


def tls(sites: Iterable[Site]) -> Json:
    """Certificates that Caddy obtains and renews, a policy for each service, and those of files."""
    obtained = [site for site in sites if site.certificate.kind != "files"]
    files = [site.certificate for site in sites if site.certificate.kind == "files"]
    return {
        "certificates": {
            "automate": sorted({domain for site in obtained for domain in site.domains}),
            "load_files": [{"certificate": one.certificate, "key": one.key} for one in files],
        },
        "automation": {
            "policies": [{"subjects": list(site.domains), "issuers": [_issuer(site)]} for site in obtained],
        },
    }


def _issuer(site: Site) -> Json:
    certificate = site.certificate
    if certificate.kind == "internal":
        return {"module": "internal", "ca": "local"}
    wanted = {"ca": certificate.directory, "email": certificate.email, "trusted_roots_pem_files": list(certificate.roots)}
    # Another edge can pass a question of HTTP on, and no handshake.
    only_http = {"challenges": {"tls-alpn": {"disabled": True}}} if several(site) else {}
    return {"module": "acme", **{key: value for key, value in wanted.items() if value}, **only_http}
