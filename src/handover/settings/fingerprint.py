"""Whether a reload is enough: what the master itself has loaded cannot change without a new master."""

import hashlib
import os
import sys
from pathlib import Path

from handover.settings.pin import pinned

_NEEDED = frozenset(("gevent", "greenlet", "gunicorn", "handover", "http1", "httptools"))
_read: dict[tuple[int, ...], str] = {}


def of_master(root: str = "", release: str = "") -> dict[str, str]:
    """The digest of each file of the environment that this process has loaded as a module, and of its interpreter.

    The files are read through the paths by which they were imported, so that after a switch of the release's link the
    same question gives the new release's answer. With `release` it is answered as if the link `root` led there already.
    """

    def path(name: str) -> str:
        return pinned(name, root, release) if release else name

    prefix = sys.prefix + os.sep
    files = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    prints = {name: _digest(path(name)) for name in files if name.startswith(prefix)}
    interpreter = os.path.realpath(path(sys.executable))
    return prints | {"python": f"{interpreter} {_changed(interpreter)}"}


def differences(before: dict[str, str], now: dict[str, str]) -> tuple[str, ...]:
    """Names of the packages that differ, for people; modules loaded since `before` was taken do not count."""
    changed = {name for name, digest in before.items() if now.get(name, "") != digest}
    return tuple(sorted({_package(name) for name in changed}))


def lacking(now: dict[str, str]) -> tuple[str, ...]:
    """Names of the packages that no master can start without, and that are not there any more, though others are: with another version of
    Python, all of them are elsewhere."""
    there = {_package(name) for name, digest in now.items() if digest != "missing"} - {"python"}
    return tuple(sorted((_NEEDED & {_package(name) for name in now}) - there)) if there else ()


def _package(name: str) -> str:
    _, _, inside = name.partition("site-packages" + os.sep)
    return inside.split(os.sep)[0] if inside else name


def _digest(name: str) -> str:
    """Releases with the same packages share their files (hard links), which are read once."""
    try:
        status = os.stat(name)
        key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in _read:
            _read[key] = hashlib.sha256(Path(name).read_bytes()).hexdigest()
        return _read[key]
    except OSError:
        return "missing"


def _changed(name: str) -> str:
    try:
        status = os.stat(name)
    except OSError:
        return "missing"
    return f"{status.st_ino} {status.st_mtime_ns}"
