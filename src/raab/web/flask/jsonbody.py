"""JSON in requests' bodies."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider


class JsonBodies(DefaultJSONProvider):
    """Flask's own, for which a document that is nested too deep is malformed: its client's error (400), and not the application's."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ValueError, as Flask expects of what is no JSON (flask/wrappers.py, on_json_loading_failed)."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
