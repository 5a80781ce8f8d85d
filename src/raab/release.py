"""Which release this code is: told by the manifest beside its virtual environment, not by a symlink that may point elsewhere by now."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple


class Release(NamedTuple):
    """`id` is the release's directory name, `version` the distribution's, `commit` the full hash; outside a release, where the code
    may be anything, all three are "development". `service` is what the service is called on its host."""

    id: str
    version: str
    commit: str
    service: str = "raab"


@functools.cache
def current_release() -> Release:
    """The release that this very module was loaded from: the nearest parent folder of its real path with a release's manifest.json."""
    return find_release(Path(__file__).resolve())


def find_release(start: Path) -> Release:
    """As current_release, but from any path."""
    found = _nearest(start)
    return found[1] if found else Release("development", "development", "development")


@functools.cache
def release_folder() -> Path | None:
    """The folder of the release that this very module was loaded from; None outside of one."""
    found = _nearest(Path(__file__).resolve())
    return found[0] if found else None


def _nearest(start: Path) -> tuple[Path, Release] | None:
    """A manifest.json that is none of ours (a web project has one too) is passed by."""
    for folder in start.parents:
        try:
            manifest = json.loads((folder / "manifest.json").read_bytes())
            release, version, commit = (str(manifest[key]) for key in ("id", "version", "commit"))
            return folder, Release(release, version, commit, str(manifest.get("service", "raab")))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
