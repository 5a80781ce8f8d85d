"""Caddy's settings for challenges of an authority that asks another edge than the one which waits for it (RFC 8555, 8.3). Pure.

Where a name leads to several edges, each obtains a certificate of its own, with a key and an account that are its own, and nobody tells
which of them the authority will ask. So whoever is asked what it does not know asks the others.
"""

from __future__ import annotations

from typing import Any

from raab.host.edge.requests import answer
from raab.host.edge.site import Site

Json = dict[str, Any]

_PATH = "/.well-known/acme-challenge/*"
# With it an edge asks no further.
_ASKED = "X-Raab-Challenge"
_NOBODY = answer(404, "Nobody here waits for that.\n")


def several(site: Site) -> bool:
    return site.certificate.kind == "acme" and len(site.edges) > 1


def passed_on(site: Site) -> Json:
    """A route for plain HTTP. What Caddy waits for itself it answers before any route."""
    match = {"host": list(site.domains), "path": [_PATH], "method": ["GET"], "not": [{"header": {_ASKED: ["*"]}}]}
    return {"match": [match], "handle": [_asked(site.edges)], "terminal": True}


def _asked(edges: tuple[str, ...]) -> Json:
    """One after the other, until somebody knows it. This edge is one of them, and does not."""
    if not edges:
        return _NOBODY
    following = [{"handle": [_asked(edges[1:])]}]
    address = f"[{edges[0]}]:80" if ":" in edges[0] else f"{edges[0]}:80"
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address}],
        "headers": {"request": {"set": {_ASKED: ["1"]}}},
        "transport": {"protocol": "http", "dial_timeout": "2s", "response_header_timeout": "3s"},
        "handle_response": [{"match": {"status_code": [3, 4, 5]}, "routes": following}],
    }
    return {"handler": "subroute", "routes": [{"handle": [proxy]}], "errors": {"routes": following}}
