"""Refusals by the edge itself: a request that no application gets to answer, or may not go on answering."""

from __future__ import annotations

from http import HTTPStatus

from msgspec.json import encode

from raab.web.page import page


class Refusal(BaseException):
    """Ends a request with `status`. No Exception, so that no application's `except Exception` takes it for one of its own."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def response(self, request_id: str, accept: str) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status line, headers and body, for a client that said it would `accept` this. The connection is closed: the rest of the
        request may still be on its way."""
        if "text/html" in accept:
            # Only browsers ask for it; the finer points of the header are for Flask's own errors.
            kind, body = "text/html; charset=utf-8", page(self.status.phrase, self.detail, request_id).encode()
        else:
            problem = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail, "request_id": request_id}
            kind, body = "application/problem+json", encode(problem)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")]
        return f"{self.status.value} {self.status.phrase}", headers, body


def too_large(limit: int) -> Refusal:
    """The refusal of a body of more than `limit` bytes."""
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have at most {limit} bytes.")


def broken_body() -> Refusal:
    """The refusal of a body that is no sound sequence of chunks, or that ends too early."""
    return Refusal(HTTPStatus.BAD_REQUEST, "The body cannot be read.")


def bad_host() -> Refusal:
    """The refusal of a request that does not say for which host it is, or says it in no sound way."""
    return Refusal(HTTPStatus.BAD_REQUEST, "The Host header is missing or malformed.")


def foreign_host() -> Refusal:
    """The refusal of a request for a host that is not served here (RFC 9110 section 15.5.20)."""
    return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "This host is not served here.")


def body_too_slow(limit: int) -> Refusal:
    """The refusal of a request whose body has not arrived within `limit` seconds."""
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {limit} seconds.")


def too_slow(limit: int) -> Refusal:
    """The refusal of a request that has taken more than `limit` seconds."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"The request took more than {limit} seconds.")
