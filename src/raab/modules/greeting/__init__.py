"""A worked example of a module: one route, one setting, one readiness check. Copy it, or delete it with its test."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint

from raab.modules import section


class Greeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """setting.yaml, `modules.greeting`."""

    word: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = "Hello"


blueprint = Blueprint("greeting", __name__, url_prefix="/greeting")
settings = Greeting


@blueprint.get("/<name>")
def greet(name: str) -> dict[str, str]:
    return {"greeting": f"{section(Greeting).word}, {name}!"}


def ready() -> str | None:
    """Nothing to wait for here. A module with a database would try it and return "the database does not answer"."""
    return None
