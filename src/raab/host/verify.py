"""Is a release what its manifest and its wheel's record say? Standard library only."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from raab.errors import RaabError


def verify(release: Path) -> None:
    """Compare the release's files with their hashes. Raises RaabError naming the first one that differs."""
    manifest = json.loads((release / "manifest.json").read_bytes())
    if manifest["id"] != release.name:
        raise RaabError(f"verify: the manifest in {release.name} is of another release, got {manifest['id']}", "deploy again")
    for part in manifest["parts"]:
        if not part["name"].endswith(".whl"):
            compare(release / part["name"], part["sha256"], hex_digest)
    for path, digest in recorded(release / "venv"):
        compare(path, digest, record_digest)


def recorded(venv: Path, project: str = "raab") -> list[tuple[Path, str]]:
    """The installed files of a project (`*` for all) with the digests of its RECORD.

    Entries without a digest (the record itself, bytecode) are passed over.
    """
    records = sorted(venv.glob(f"lib/python3*/site-packages/{project}-*.dist-info/RECORD"))
    if not records:
        raise RaabError(f"verify: the app is not installed in {venv}", "deploy again")
    found = []
    for record in records:
        with record.open(newline="") as file:
            rows = [row for row in csv.reader(file) if row and row[1].startswith("sha256=")]
        found += [(record.parent.parent / row[0], row[1].removeprefix("sha256=")) for row in rows]
    return found


def drift(release: Path) -> list[str]:
    """Every file of the release's environment, dependencies included, that is not what was installed."""
    changed = []
    for path, digest in recorded(release / "venv", "*"):
        try:
            compare(path, digest, record_digest)
        except RaabError as error:
            changed.append(error.message)
    return changed


def compare(path: Path, wanted: str, digest: Callable[[bytes], str]) -> None:
    try:
        got = digest(path.read_bytes())
    except OSError as error:
        raise RaabError(f"verify: {path} cannot be read, got: {error.strerror}", "deploy again with a new build") from error
    if got != wanted:
        raise RaabError(f"verify: {path} is not what the release's manifest says, got SHA-256 {got[:12]}", "deploy again with a new build")


def hex_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
