"""The mark by which /readyz says 503, so that load balancers go; requests are served all along. Standard library only."""

from __future__ import annotations

import os

from raab import exitcodes
from raab.errors import RaabError
from raab.host.paths import Paths


def drain(paths: Paths) -> None:
    """Leave the mark. Raises RaabError when the service is not there or not ours."""
    mark = paths.drained
    if mark.is_file() and not mark.is_symlink():
        return
    try:
        # The service's own user may write there too: nothing that it could have put in the place is followed or overwritten.
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
    except OSError as error:
        raise trouble(paths, error) from error


def undrain(paths: Paths) -> None:
    """Take it away. Raises as `drain` does."""
    try:
        paths.drained.unlink(missing_ok=True)
    except OSError as error:
        raise trouble(paths, error) from error


def trouble(paths: Paths, error: OSError) -> RaabError:
    mark = paths.drained
    if isinstance(error, PermissionError):
        return RaabError(f"{mark}: not yours to write", f"use sudo, or become the user {paths.user}", exitcodes.BAD_INPUT)
    if isinstance(error, FileNotFoundError):
        return RaabError(
            f"{paths.runtime}: is not there, so the service is not running", f"systemctl status {paths.name}", exitcodes.UNREACHABLE
        )
    hint = f"see what ls -l {mark} says, and remove it"
    return RaabError(f"{mark}: is there, but is no mark of raab's, got {error.strerror}", hint)
