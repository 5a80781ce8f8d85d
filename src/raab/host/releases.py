"""What stands on a host of the service: its releases, the one that is current, and its user."""

from __future__ import annotations

import json
import pwd
from collections.abc import Mapping
from pathlib import Path

from raab.host.paths import RELEASE_ID, Paths
from raab.protocol import edge
from raab.protocol.facts import InstalledRelease
from raab.protocol.processes import table
from raab.protocol.reading import read


def describe(release: Path) -> InstalledRelease:
    """One release directory: complete or not, and what its manifest says of it."""
    try:
        manifest = json.loads((release / "manifest.json").read_bytes())
        told = {key: manifest[key] for key in ("content", "version", "commit", "lock")}
        more = {
            "project": str(manifest.get("project", "")), "secrets": list(manifest.get("secrets", ())), "beside": table(manifest).told,
            "migrations": list(manifest.get("migrations", ())), "edge": edge.told(edge.of(manifest)),
        }  # fmt: skip
        found: InstalledRelease = read(InstalledRelease, {"id": release.name, "complete": True, **told, **more}, "manifest")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return InstalledRelease(release.name, complete=False, content="", version="", commit="", lock="")
    return found


def version(paths: Paths, release_id: str) -> str:
    """Of a release on this host; where the code that serves is none, which may be anything, `development`."""
    return describe(paths.releases / release_id).version or "development" if RELEASE_ID.match(release_id) else "development"


def current_release(paths: Paths) -> str | None:
    try:
        name = paths.current.readlink().name
    except OSError:
        return None
    return name if RELEASE_ID.match(name) else None


def uid_of_user(paths: Paths) -> int | None:
    """The service's user; None where there is none yet."""
    try:
        return pwd.getpwnam(paths.user).pw_uid
    except KeyError:
        return None


def user_exists(paths: Paths) -> bool:
    return uid_of_user(paths) is not None


def shipped(texts: Mapping[str, str]) -> str:
    """The settings that a release brings, of its files by their names: raab's and the project's own, which lie over them, as the documents
    of one YAML stream."""
    return "\n---\n".join(filter(None, (texts.get("setting.yaml", ""), texts.get("deploy/setting.yaml", ""))))
