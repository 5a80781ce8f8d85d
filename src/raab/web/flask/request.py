"""A request to raab's own Flask application."""

from __future__ import annotations

from flask import Request

from raab.web.bodies import OwnLimit
from raab.web.context import BODY_LIMIT


class LimitedRequest(Request, OwnLimit):
    """Flask's request, with the limit that its route has."""

    @property
    def max_content_length(self) -> int | None:
        own = self.environ.get(BODY_LIMIT)
        return own if own is not None else super().max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self.environ[BODY_LIMIT] = value
