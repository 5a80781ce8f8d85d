"""Steps of an activation in the surroundings that a start of the service would have by now (raab.host.renewal), for root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raab.host.paths import Paths
from raab.host.renewal import credentials, variables
from raab.host.renewal.twin import Now


def installed(paths: Paths) -> bool:
    """Whether this is root on a host where the service is systemd's."""
    return os.geteuid() == 0 and Path("/run/systemd/system").is_dir() and paths.current.is_symlink()


@contextmanager
def given(paths: Paths, wanted: Now | None) -> Iterator[dict[str, Any]]:
    """The running service has the credentials of a start while it is asked for a reload, and keeps them if nothing is raised; the rest
    of the request says what else has changed."""
    if wanted is None:
        yield {}
        return
    held = variables.held(paths)
    with credentials.given(paths.credentials, wanted.credentials):
        more = variables.changed(held, wanted.environment, wanted.made)
        yield {"environment": variables.renewed(held, wanted.environment)} if more else {}
