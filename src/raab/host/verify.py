"""Is a release what was installed, and what its manifest says?"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from raab.errors import RaabError
from raab.host import seal
from raab.protocol.manifest import ARCHIVES

# What lies in a release and is not part of what was installed.
RAABS_OWN = (seal.SEAL, "manifest.json")


def verify(release: Path) -> None:
    """All of it, dependencies and bytecode included, by a look at each file, and the files of the bundle by their hashes.

    Raises RaabError naming what is not as it should be.
    """
    manifest = json.loads((release / "manifest.json").read_bytes())
    if manifest["id"] != release.name:
        raise RaabError(f"verify: the manifest in {release.name} is of another release, got {manifest['id']}", "deploy again")
    damaged = seal.damage(release, RAABS_OWN)
    parts = {part["name"]: part["sha256"] for part in manifest["parts"] if not part["name"].endswith(ARCHIVES)}
    damaged += [f"{name} is not what the release's manifest says" for name, wanted in parts.items() if digest(release / name) != wanted]
    if damaged:
        raise RaabError(f"verify: {release.name} is not as it was installed, got: {told(damaged)}", "`fab deploy` of the same mends it")


def digest(file: Path) -> str:
    """In hex; empty where there is no such file."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def told(damaged: list[str]) -> str:
    """A few of them, in a line."""
    return ", ".join(damaged[:3]) + (f" and {len(damaged) - 3} more" if len(damaged) > 3 else "")


def record_digest(content: bytes) -> str:
    """As a wheel's record has it (packaging.python.org, recording installed projects)."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
