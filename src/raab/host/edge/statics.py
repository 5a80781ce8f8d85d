"""Caddy's settings for what it answers from files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from raab.host.edge.requests import answer, compression
from raab.host.edge.site import Static

Json = dict[str, Any]

# A name with a digest of what is in it: Django's, webpack's. One of digits alone may be a date.
_DIGEST = r"[.-][0-9a-f]{12,64}\.[^/]*$"
_DIGITS = r"[.-][0-9]{12,64}\.[^/]*$"


def statics(static: Static) -> Json:
    """Files below a prefix, from the first folder that has the one asked for. What none has goes on, as it came."""
    found = {"headers": {"Etag": ["*"]}}
    asked_again = {"set": {"Cache-Control": ["no-cache"]}, "deferred": True, "require": found}
    for_good = {"set": {"Cache-Control": ["public, max-age=31536000, immutable"]}, "deferred": True, "require": found}
    named = {"path_regexp": {"pattern": _DIGEST}, "not": [{"path_regexp": {"pattern": _DIGITS}}]}
    routes = [
        {"handle": [compression(), {"handler": "rewrite", "strip_path_prefix": static.prefix}]},
        {"group": "age", "match": [named], "handle": [{"handler": "headers", "response": for_good}]},
        {"group": "age", "handle": [{"handler": "headers", "response": asked_again}]},
        *({"handle": [_files(folder)]} for folder in static.folders),
        {"handle": [{"handler": "rewrite", "uri": "{http.request.orig_uri}"}]},
    ]
    mine = {"path": [f"{static.prefix}/*"], "method": ["GET", "HEAD"], "not": [{"path": ["*/.*"]}]}
    return {"match": [mine], "handle": [{"handler": "subroute", "routes": routes}]}


def _files(folder: str) -> Json:
    """Neither lists a folder nor answers for one."""
    return {"handler": "file_server", "root": folder, "index_names": [], "canonical_uris": False, "pass_thru": True}


def page(path: str) -> Json:
    """One page for every request, with 503, and a line of text where the page is gone."""
    place = PurePosixPath(path)
    return {
        "handle": [
            {"handler": "headers", "request": {"delete": ["If-*", "Range"]}},
            {"handler": "headers", "response": {"set": {"Retry-After": ["60"], "Cache-Control": ["no-store"]}}},
            {"handler": "rewrite", "method": "GET", "uri": f"/{place.name}"},
            {**_files(str(place.parent)), "status_code": 503},
            answer(503, "This service is being worked on. Please come again in a minute.\n"),
        ]
    }
