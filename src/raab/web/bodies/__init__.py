"""Bodies of requests: how large they may be, and that an application gets the whole of one or none of it."""

from __future__ import annotations

from raab.web.bodies.limits import BodyLimits, OwnLimit, body_limit

__all__ = ["BodyLimits", "OwnLimit", "body_limit"]
