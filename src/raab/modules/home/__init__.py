"""The card at /: who answers here, in which release. A service with a front page of its own deletes this folder."""

from __future__ import annotations

from flask import Blueprint, current_app

from raab.release import current_release

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def card() -> dict[str, str]:
    settings = current_app.extensions["raab"].settings
    release = current_release()
    return {
        "service": settings.project.name,
        "version": release.version,
        "release": release.id,
        "environment": settings.environment,
    }
