"""Caddy's way with a request that goes to an application, and with one that cannot."""

from __future__ import annotations

from typing import Any

from raab.host.edge.site import Site

Json = dict[str, Any]

# What a client says of itself is no word of the edge's. X-Forwarded-For, -Proto and -Host are set by Caddy afterwards.
_NOT_OF_CLIENTS = ["X-Forwarded-*", "Forwarded", "X-Real-Ip"]

# Shorter than a retiring worker keeps idle connections (server.linger, 15 s), and so shorter than server.keepalive: it is the edge that
# closes them, never the application at the moment when a request comes by one.
_IDLE = "10s"

# Where no connection could be made, Caddy tries again until `try_duration` is over. Where one was made and no answer came, a request that
# changes nothing (RFC 9110, 9.2.1) may be sent once more and no oftener, since it may be what ended the worker: what the pattern found
# is there the second time.
_ONCE_MORE = (
    "{http.reverse_proxy.is_transport_error} == true && {http.request.method} in ['GET', 'HEAD', 'OPTIONS'] && "
    "{http.regexp.again.0} != '/' && path_regexp('again', '^/')"
)

# Not text/event-stream, which has to pass at once, nor what is compressed already.
_COMPRESSED = ["text/html*", "text/css*", "text/plain*", "text/xml*", "text/javascript*", "text/csv*", "text/markdown*"]
_COMPRESSED += ["application/json*", "application/javascript*", "application/xml*", "application/*+json*", "application/*+xml*"]
_COMPRESSED += ["application/manifest*", "application/wasm*", "image/svg+xml*", "font/ttf*", "font/otf*"]


def proxy(site: Site) -> list[Json]:
    """The handlers from a request of a client to the application's answer."""
    return [
        {"handler": "headers", "request": {"delete": _NOT_OF_CLIENTS}},
        {"handler": "request_body", "max_size": site.body_limit},
        compression(),
        {
            "@id": site.service,
            "handler": "reverse_proxy",
            "upstreams": upstreams(site),
            # Here and not before: a client can have headers taken away by its own header Connection, and Caddy is past that here.
            "headers": {"request": {"set": {"X-Request-ID": ["{http.request.uuid}"]}}},
            "transport": {
                "protocol": "http",
                "versions": ["1.1"],
                "compression": False,
                "dial_timeout": "2s",
                "keep_alive": {"idle_timeout": _IDLE, "max_idle_conns_per_host": 256},
            },
            "load_balancing": {
                "selection_policy": _selection(site),
                "try_duration": "10s",
                "try_interval": "50ms",
                "retry_match": [{"expression": _ONCE_MORE}],
            },
            **_health(site),
            # Or WebSockets would end whenever a service of this host is deployed.
            "stream_close_delay": "24h",
        },
    ]


def upstreams(site: Site) -> list[Json]:
    """Those that get something new."""
    return [{"dial": upstream.address} for upstream in site.upstreams if not upstream.drained]


def _selection(site: Site) -> Json:
    weights = [upstream.weight for upstream in site.upstreams if not upstream.drained]
    if len({*weights}) < 2:
        return {"policy": "round_robin"}
    return {"policy": "weighted_round_robin", "weights": weights}


def _health(site: Site) -> Json:
    """Where there is a choice. A service that has one upstream gets everything there, and itself says that it is not ready."""
    if len(site.upstreams) < 2:
        return {}
    active = {"uri": "/readyz", "interval": "500ms", "timeout": "2s", "headers": {"Host": [site.domains[0]]}}
    return {"health_checks": {"active": active, "passive": {"fail_duration": "2s", "max_fails": 3}}}


def compression() -> Json:
    return {
        "handler": "encode",
        "encodings": {"gzip": {}, "zstd": {}},
        "prefer": ["zstd", "gzip"],
        "minimum_length": 512,
        "match": {"headers": {"Content-Type": _COMPRESSED}},
    }


def answer(status: int, text: str) -> Json:
    headers = {"Content-Type": ["text/plain; charset=utf-8"], "Cache-Control": ["no-store"]}
    return {"handler": "static_response", "status_code": status, "headers": headers, "body": text}


def failures() -> list[Json]:
    """What is answered where no application could: in plain words, and with a time after which to come again where that helps."""
    said = answer(0, "{http.error.status_code} {http.error.status_text}\n")
    said["status_code"] = "{http.error.status_code}"
    later = {"handler": "headers", "response": {"set": {"Retry-After": ["5"]}}}
    return [{"match": [{"expression": "{http.error.status_code} in [502, 503, 504]"}], "handle": [later]}, {"handle": [said]}]
