"""The number of workers wanted, kept over everything that ends the master."""

import contextlib
import json
import os
import stat
from collections.abc import Callable

_LIMIT = 1000


def restore(saved: str | None, configured: int, low: int, high: int) -> int:
    """The target to start with: the saved one, unless the configured number was changed since it was saved.

    `saved` is the file's text; a text that is not ours counts as none, and so does a number that is none. The result lies within the
    bounds.
    """
    wanted = configured
    try:
        record = json.loads(saved) if saved else {}
        if record.get("configured") == configured:
            wanted = record["workers"] if type(record["workers"]) is int else configured
    except (ValueError, KeyError, AttributeError, RecursionError):
        wanted = configured
    return min(max(wanted, low), high)


def load(path: str | None, complain: Callable[[str], None]) -> str | None:
    """The saved text, or None when there is none that can be read; `complain` is told why, unless there just is none.

    Any code of the service's user may have written there, and the start shall not wait for it: a link is not followed, a FIFO not
    waited for, and no more read than a target takes.
    """
    if not path:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("not a regular file")
            content = os.read(descriptor, _LIMIT + 1)
        finally:
            os.close(descriptor)
        if len(content) > _LIMIT:
            raise OSError(f"larger than {_LIMIT} bytes")
        return content.decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        complain(f"scale: the saved target {path} counts as none, got {error}")
        return None


def save(path: str | None, configured: int, workers: int) -> None:
    """Write the target so that a crash leaves the old or the new one (rename(2)).

    Raises OSError when the directory cannot be written.
    """
    if not path:
        return
    partial = f"{path}.part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    # A file of our own making: to open a FIFO in its place would take until somebody reads.
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "w") as file:
        file.write(json.dumps({"configured": configured, "workers": workers}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
