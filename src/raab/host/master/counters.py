"""What the workers have counted, where they leave it."""

from __future__ import annotations

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.metrics.reading import Reading, read


def counted(paths: Paths) -> Reading:
    """What the workers have counted. Raises RaabError when that may not be read, or is nothing that workers write."""
    folder = paths.runtime / "metrics"
    try:
        return read(folder)
    except PermissionError as error:
        raise RaabError(f"{folder}: not yours to read", f"use sudo, or join the group {paths.user}", 2) from error
    except OSError as error:
        raise RaabError(f"metrics: {error}", "readme, section After an intrusion; `rm` what is no metrics of a worker") from error
