"""The release that this worker runs, and how it came here."""

from __future__ import annotations

import functools
import importlib.metadata
from datetime import datetime, timezone
from typing import Any

from raab.host import journal
from raab.host.paths import Paths
from raab.release import current_release


def described(paths: Paths) -> dict[str, Any]:
    """Ready for JSON. `when`, `who`, `machine` and `action` are of the release's last activation here, as the host's journal has them.

    The manifest does not say who built it: the same commit has to give the same bytes, whoever builds.
    """
    release = current_release()
    activated = next((entry for entry in reversed(journal.read(paths.journal)) if _put_here(entry, release.id)), {})
    seconds = activated.get("time")
    return {
        **release._asdict(),
        "action": activated.get("action"),
        "who": activated.get("who"),
        "machine": activated.get("machine"),
        "when": None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds"),
        "dependencies": dependencies(),
    }


def _put_here(entry: journal.Entry, release: str) -> bool:
    # `begun` is as far as an activation is while it asks for this.
    return entry.get("release") == release and entry.get("verdict") in ("begun", "serving")


@functools.cache
def dependencies() -> dict[str, str]:
    """Each installed distribution but raab's own, with its version. A release is never edited, so this is asked once."""
    found = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    return dict(sorted((name, version) for name, version in found.items() if name != "raab"))
