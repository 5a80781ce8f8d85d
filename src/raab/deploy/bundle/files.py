"""What is read of a bundle's files, and of others that are sent with them."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

from raab.deploy.bundle.parts import LOCK, Bundle, Part


def part(path: Path, name: str = "") -> Part:
    """A file as a part of a bundle."""
    content = path.read_bytes()
    return Part(name or path.name, hashlib.sha256(content).hexdigest(), len(content), path)


def whole(one: Part) -> bool:
    """Whether the file is what it was when it was named: what lies in a cache may have been changed since."""
    return one.path.stat().st_size == one.size and hashlib.sha256(one.path.read_bytes()).hexdigest() == one.sha256


def texts(bundle: Bundle) -> dict[str, str]:
    """Its lock and settings, raab's and the project's own, by the names of their files: what raab.host.session.facts tells of a running
    release."""
    paths = {one.name: one.path for one in bundle.parts}
    with zipfile.ZipFile(bundle.wheel) as archive:
        inside = [name for name in archive.namelist() if re.fullmatch(r"raab/config/\w+\.yaml", name)]
        settings = {name.rpartition("/")[2]: archive.read(name).decode() for name in inside}
    own = {name: path.read_text() for name, path in paths.items() if name.startswith("deploy/")}
    return {LOCK: paths[LOCK].read_text(), **settings, **own}
