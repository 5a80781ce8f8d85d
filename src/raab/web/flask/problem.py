"""Errors as the client can read them: problem details (RFC 9457) for programs, a plain page for people."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request
from msgspec.json import encode
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.response import Response as ResponseBase

from raab.web.page import page


def answer(error: HTTPException) -> ResponseBase:
    """The response to an HTTP error; its own headers (Allow, Retry-After) stay. An exception's text is never shown."""
    if error.response is not None:
        # A view that aborted with a response of its own has said what it wants to say.
        return error.response
    status = error.code or 500
    title, detail = error.name, error.description or ""
    request_id = request.environ.get("HTTP_X_REQUEST_ID", "")
    if request.accept_mimetypes.best_match(("application/problem+json", "application/json", "text/html")) == "text/html":
        body: str | bytes = page(title, detail, request_id)
        response = Response(body, status, mimetype="text/html")
    else:
        # `type` is left out: RFC 9457 takes it for about:blank then, "no more than the status code says".
        body = encode({"title": title, "status": status, "detail": detail, "instance": request.path, "request_id": request_id})
        response = Response(body, status, mimetype="application/problem+json")
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers.add(name, value)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # The rest of the body is on its way; on this connection it would be taken for the next request or read to its end.
        response.headers["Connection"] = "close"
    return response
