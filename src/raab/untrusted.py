"""Reading what the service itself may write, as root too: whoever has taken a worker over may have written it. Standard library only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class UntrustedError(OSError):
    """What lies there is not what raab would have put there; the text says why."""


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o640) -> int:
    """A descriptor of a regular file with the owner of its folder: a link is not followed, and nobody waits for a FIFO's other end.

    The owner, since a hard link may lead to a file of somebody else's. Raises UntrustedError, or OSError as open(2) does.
    """
    try:
        descriptor = os.open(path, flags | _SAFELY, mode)
    except OSError as error:
        # The only ways in which open(2) tells of a link, a device and a socket.
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UntrustedError(f"{path}: not a regular file") from error
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != path.parent.lstat().st_uid:
        os.close(descriptor)
        raise UntrustedError(f"{path}: not a regular file of the folder's owner")
    return descriptor


def read(path: Path, limit: int) -> bytes:
    """The content of such a file. Raises UntrustedError for one of more than `limit` bytes, and as open_regular does."""
    descriptor = open_regular(path)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UntrustedError(f"{path}: larger than {limit} bytes")
    return content
