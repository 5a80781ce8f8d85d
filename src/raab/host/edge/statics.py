"""Caddy's settings for what it answers from files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from raab.host.edge.requests import answer, compression
from raab.host.edge.site import Static

Json = dict[str, Any]

# A name with a digest of what is in it: Django's, webpack's. One of digits alone may be a date.
_DIGEST = r"[.-][0-9a-f]{12,64}\.[^/]*$"
_DIGITS = r"[.-][0-9]{12,64}\.[^/]*$"
# Who asks whether the service lives, and from where the host's own proofs do (raab.host.edge.through): while there is a page they see
# what they would see without it, and so prove what `off` leads back to. Who else asks, by way of another proxy on the host, learns no more.
_OWN_PROOFS = {"path": ["/livez", "/readyz"], "remote_ip": {"ranges": ["127.0.0.0/8", "::1/128"]}}
_FOR_GOOD = "public, max-age=31536000, immutable"


def statics(static: Static) -> Json:
    """Files below a prefix, from the first folder that has the one asked for. What none has goes on untouched, and so does what may be the
    name of a folder, or of something hidden."""
    below = {"path_regexp": {"name": "static", "pattern": f"^{re.escape(static.prefix)}/(.*[^/])$"}}
    mine = {**below, "method": ["GET", "HEAD"], "not": [{"path": ["*/.*"]}]}
    return {"match": [mine], "handle": [{"handler": "subroute", "routes": [_folder(static.prefix, folder) for folder in static.folders]}]}


def _folder(prefix: str, folder: str) -> Json:
    """An unchanged file is the same one in each release, and so has the same ETag, which is its time and size; another release's may be
    older, and so a date says nothing of whether it is what the client has."""
    named = {"path_regexp": {"pattern": _DIGEST}, "not": [{"path_regexp": {"pattern": _DIGITS}}]}
    undated = {
        "handler": "headers",
        "request": {"delete": ["If-Modified-Since", "If-Unmodified-Since"]},
        "response": {"delete": ["Last-Modified"], "deferred": True},
    }
    routes = [
        {"handle": [_set("Cache-Control", "no-cache")]},
        {"match": [named], "handle": [_set("Cache-Control", _FOR_GOOD)]},
        {"handle": [undated, compression(), {"handler": "rewrite", "strip_path_prefix": prefix}, _files(folder)]},
    ]
    there = {"file": {"root": folder, "try_files": ["{http.regexp.static.1}"]}}
    return {"match": [there], "handle": [{"handler": "subroute", "routes": routes}], "terminal": True}


def _set(name: str, value: str) -> Json:
    return {"handler": "headers", "response": {"set": {name: [value]}}}


def _files(folder: str) -> Json:
    """Neither lists a folder nor answers for one."""
    return {"handler": "file_server", "root": folder, "index_names": [], "canonical_uris": False}


def page(path: str) -> Json:
    """One page for every request, with 503, while there is such a file, which is looked for at each one; a line of text where it goes just
    then."""
    place = PurePosixPath(path)
    whole = {
        "handler": "headers",
        "request": {"delete": ["If-*", "Range"]},
        "response": {
            "set": {"Retry-After": ["60"], "Cache-Control": ["no-store"]},
            "delete": ["Etag", "Last-Modified", "Accept-Ranges"],
            "deferred": True,
        },
    }
    there = {"file": {"root": str(place.parent), "try_files": [place.name]}, "not": [_OWN_PROOFS]}
    return {
        "match": [there],
        "terminal": True,
        "handle": [
            whole,
            {"handler": "rewrite", "method": "GET", "uri": f"/{quote(place.name)}"},
            {**_files(str(place.parent)), "status_code": 503, "pass_thru": True},
            answer(503, "This service is being worked on. Please come again in a minute.\n"),
        ],
    }
