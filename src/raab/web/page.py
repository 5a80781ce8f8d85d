"""The plain page that people get for an error."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body><h1>{title}</h1><p>{detail}</p><p><small>Request {request_id}</small></p></body></html>
"""


def page(title: str, detail: str, request_id: str) -> str:
    """HTML, with whatever is in the texts escaped."""
    return _PAGE.format(title=escape(title), detail=escape(detail), request_id=escape(request_id))
