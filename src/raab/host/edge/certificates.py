"""Caddy's settings for certificates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raab.host.edge.site import Certificate, Site

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
            "policies": [{"subjects": list(site.domains), "issuers": [_issuer(site.certificate)]} for site in obtained],
        },
    }


def _issuer(certificate: Certificate) -> Json:
    if certificate.kind == "internal":
        return {"module": "internal", "ca": "local"}
    wanted = {"ca": certificate.directory, "email": certificate.email, "trusted_roots_pem_files": list(certificate.roots)}
    return {"module": "acme", **{key: value for key, value in wanted.items() if value}}
