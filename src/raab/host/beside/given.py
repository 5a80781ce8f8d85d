"""Whether what systemd gives a unit from files is what it was: a unit file only names them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator

_NAMES = re.compile(r"(?:EnvironmentFile=-?(?P<file>/.*)|(?:LoadCredential|LoadCredentialEncrypted)=[^:]+:(?P<credential>/.*))")


def mark(lines: Iterable[str]) -> str:
    """Another text as soon as a file that these lines of a unit name is another one, or was written to. It tells nothing of what is in
    one."""
    # Here and not above, as in paths.py.
    import hashlib

    found = hashlib.sha256()
    for path in _files(lines):
        status = os.lstat(path)
        found.update(f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{status.st_ino}\n".encode(errors="surrogateescape"))
    return found.hexdigest()[:16]


def _files(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        named = _NAMES.fullmatch(line)
        for path in sorted(glob.glob(named["file"] or named["credential"])) if named else ():  # noqa: PTH207
            # A folder gives each of its files.
            yield from sorted(entry.path for entry in os.scandir(path)) if os.path.isdir(path) else (path,)  # noqa: PTH112
