"""What the workers have counted, where they leave it."""

from __future__ import annotations

import time

from raab import exitcodes
from raab.errors import RaabError
from raab.host.paths import Paths
from raab.metrics.layout import BOUNDS
from raab.metrics.reading import Reading, read
from raab.protocol.service import Traffic

# Whoever asks for these looks after the service, and is no client.
HEALTH = ("/livez", "/readyz")


def counted(paths: Paths) -> Reading:
    """What the workers have counted. Raises RaabError when that may not be read, or is nothing that workers write."""
    folder = paths.runtime / "metrics"
    try:
        return read(folder)
    except PermissionError as error:
        raise RaabError(f"{folder}: not yours to read", f"use sudo, or join the group {paths.user}", exitcodes.BAD_INPUT) from error
    except OSError as error:
        raise RaabError(f"metrics: {error}", "readme, section After an intrusion; `rm` what is no metrics of a worker") from error


def traffic(paths: Paths) -> Traffic:
    """What clients have asked until now. Raises as `counted` does."""
    return of_clients(counted(paths))


def of_clients(reading: Reading) -> Traffic:
    series = [one for one in reading.series if one.name.route not in HEALTH]
    buckets = [sum(column) for column in zip(*(one.buckets for one in series), strict=True)] or [0] * (len(BOUNDS) + 1)
    errors = sum(sum(one.buckets) for one in series if one.name.status >= 500)
    return Traffic(time.monotonic(), int(errors), tuple(map(int, buckets)))
