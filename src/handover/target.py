"""The number of workers wanted, kept over everything that ends the master."""

import json
import os
from pathlib import Path


def restore(saved: str | None, configured: int, low: int, high: int) -> int:
    """The target to start with: the saved one, unless the configured number was changed since it was saved.

    `saved` is the file's text; a text that is not ours counts as none. The result lies within the bounds.
    """
    wanted = configured
    try:
        record = json.loads(saved) if saved else {}
        if record.get("configured") == configured:
            wanted = int(record["workers"])
    except (ValueError, TypeError, KeyError, AttributeError):
        wanted = configured
    return min(max(wanted, low), high)


def load(path: str | None) -> str | None:
    """The saved text, or None when there is none that can be read."""
    try:
        return Path(path).read_text() if path else None
    except (OSError, UnicodeDecodeError):
        return None


def save(path: str | None, configured: int, workers: int) -> None:
    """Write the target so that a crash leaves the old or the new one (rename(2)).

    Raises OSError when the directory cannot be written.
    """
    if not path:
        return
    partial = f"{path}.part"
    with open(partial, "w") as file:
        file.write(json.dumps({"configured": configured, "workers": workers}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
