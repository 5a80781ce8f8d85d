"""What Caddy is given has a number: the edition. Pure.

A Caddy that is told anew ends its servers of before at once, and with them the connections that are idle or in their TLS handshake, unless
their sockets are no longer listened at (`shutdown_delay`, modules/caddyhttp/app.go). So each port has two sockets, of which even editions
listen at the first and odd ones at the second. New connections go to the newest edition's (raab.host.edge.steering), while the one before
goes on for some seconds and says goodbye with each answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# For which the edition before goes on: whoever is idle for longer is closed then.
LEAVING_SECONDS = 5
# By number modulo 2, as Caddy writes descriptors: for HTTP and for HTTPS, in the order of the unit's sockets (raab.host.edge.unit).
_LISTENS = (("fd/3", "fd/4"), ("fd/5", "fd/6"))
_SERVERS = ("http", "https")


def listens(number: int) -> tuple[str, str]:
    return _LISTENS[number % 2]


def server(number: int, socket: str) -> Json:
    """Says at a UNIX socket which edition is at work."""
    told = {"handler": "static_response", "status_code": 200, "body": str(number)}
    return {"listen": [f"unix/{socket}|0600"], "protocols": ["h1"], "automatic_https": {"disable": True}, "routes": [{"handle": [told]}]}


def goodbye() -> Json:
    """A route for all requests: connections of an edition that leaves are closed with an answer. What becomes a WebSocket has none."""
    leaving = {"vars": {"{http.shutting_down}": ["true"]}, "not": [{"header": {"Upgrade": ["*"]}}]}
    return {"match": [leaving], "handle": [{"handler": "headers", "response": {"set": {"Connection": ["close"]}, "deferred": True}}]}


def of(text: bytes) -> int:
    """Which one it is; 0 of what has no number."""
    try:
        return int(json.loads(text)["apps"]["http"]["servers"]["edition"]["routes"][0]["handle"][0]["body"])
    except (ValueError, LookupError, TypeError):
        return 0


def following(text: bytes, socket: Path) -> bytes:
    """The same as the next edition."""
    config, number = json.loads(text), of(text) + 1
    servers = config["apps"]["http"]["servers"]
    for name, listen in zip(_SERVERS, listens(number), strict=True):
        servers[name]["listen"] = [listen]
    servers["edition"] = server(number, str(socket))
    return written(config)


def written(config: Json) -> bytes:
    return json.dumps(config, indent=1, sort_keys=True).encode() + b"\n"
