"""What can go wrong between client and application."""

from __future__ import annotations

from http import HTTPStatus


class Refused(Exception):
    """The request is none that can be served; answered with `status`, and the connection is closed (RFC 9112 section 9.6). `read` is how
    it begins, as far as it was received."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
        self.read = b""


class ClientGone(OSError):
    """The client takes no more of its answer."""


class BodyError(OSError):
    """The request's body ends too early, or is no sound sequence of chunks.

    An OSError, as reading from any other connection would raise: Werkzeug makes a 400 of it (wsgi.py, LimitedStream.on_disconnect).
    """


class Farewell(BaseException):
    """The worker retires, and ends an event stream between two events. No Exception, so that no application takes it for one of its own."""


class Deserted(BaseException):
    """The client of an event stream has left, which a silent application would never notice. No Exception, as Farewell."""


class WrongAnswer(Exception):
    """The application's answer is none that can be sent."""


def bad(reason: str) -> Refused:
    """400."""
    return Refused(HTTPStatus.BAD_REQUEST, reason)
