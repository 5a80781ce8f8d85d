"""Caddy's configuration from what the services of a host want. Pure: looks at no file, and leaves it to others to say what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raab.host.edge import challenges, edition
from raab.host.edge.certificates import tls
from raab.host.edge.requests import answer, failures, proxy
from raab.host.edge.site import Ground, Site
from raab.host.edge.statics import page, statics

Json = dict[str, Any]

# What is said too often to be of use: each question to the admin socket, and each health check that fails.
_SILENT = ["admin.api", "http.handlers.reverse_proxy.health_checker.active"]
# Answers under way may take so long when Caddy ends, while new connections wait at the host's sockets. What it is told anew ends none.
_GRACE = "15s"


def compose(sites: Iterable[Site], ground: Ground) -> bytes:
    """The whole of what Caddy is given: each site by its domains alone, whatever stands in the others.

    Has an `@id` for each service's proxy, its name: `PATCH /id/shop/upstreams` with `requests.upstreams(site)` takes an upstream out or in.
    """
    numbered = {"shutdown_delay": f"{edition.LEAVING_SECONDS}s"} if ground.says else {}
    says = {"edition": edition.server(ground.edition, ground.says)} if ground.says else {}
    ordered = sorted(sites, key=lambda site: site.service)
    config: Json = {
        "admin": {"listen": f"unix/{ground.admin}|0600", "config": {"persist": False}},
        "logging": {"logs": {"default": {"writer": {"output": "stderr"}, "encoder": {"format": "json"}, "exclude": _SILENT}}},
        "storage": {"module": "file_system", "root": ground.state},
        "apps": {
            "http": {
                "http_port": _port(ground.http, 80),
                "https_port": _port(ground.https, 443),
                "grace_period": _GRACE,
                **numbered,
                "servers": {"http": _plain(ordered, ground), "https": _encrypted(ordered, ground), **says},
            },
            "tls": tls(ordered),
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
        },
    }
    return edition.written(config)


def _plain(sites: list[Site], ground: Ground) -> Json:
    """Sends everybody to HTTPS. Caddy answers challenges of http-01 before any route."""
    port = _port(ground.https, 443)
    target = "https://{http.request.host}" + ("" if port == 443 else f":{port}") + "{http.request.uri}"
    to_https = {"handler": "static_response", "status_code": 308, "headers": {"Location": [target]}}
    domains = sorted({domain for site in sites for domain in site.domains})
    routes = [{"match": [{"host": domains}], "handle": [to_https], "terminal": True}] if domains else []
    routes = [*(challenges.passed_on(site) for site in sites if challenges.several(site)), *routes]
    return {**_server(ground.http, routes), "protocols": ["h1"]}


def _encrypted(sites: list[Site], ground: Ground) -> Json:
    routes = [{"match": [{"host": list(site.domains)}], "handle": [_site(site)], "terminal": True} for site in sites]
    # An empty policy is Caddy's own choice of versions and ciphers, and the certificate by the name that the client asks for.
    return {**_server(ground.https, routes), "tls_connection_policies": [{}]}


def _server(listen: str, routes: list[Json]) -> Json:
    """Has no limit on a whole request or answer: the application knows how slow a client may be, and streams have no end."""
    return {
        "listen": [listen],
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable": True},
        "read_header_timeout": "30s",
        "idle_timeout": "2m",
        "routes": [edition.goodbye(), *routes, {"handle": [answer(421, "Nothing is served here by this name.\n")]}],
        "errors": {"routes": failures()},
    }


def _site(site: Site) -> Json:
    always = {"handler": "headers", "response": {"set": {"Strict-Transport-Security": [f"max-age={site.hsts}"]}, "deferred": True}}
    routes = [{"handle": [always]}] if site.hsts is not None else []
    routes += [statics(static) for static in site.statics]
    routes += [page(site.maintenance)] if site.maintenance else []
    return {"handler": "subroute", "routes": [*routes, {"handle": proxy(site)}]}


def _port(listen: str, default: int) -> int:
    """Of an address as Caddy writes them; a descriptor has the usual one."""
    _, _, port = listen.rpartition(":")
    return int(port) if ":" in listen and port.isdigit() else default
