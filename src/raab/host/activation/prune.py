"""Remove old releases and what only they needed. Deletes nothing whose name does not prove that it is raab's. Standard library only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from typing import Any

from raab.host.paths import RELEASE_ID, Paths, template_name


def surplus(present: Iterable[str], served: tuple[str, ...], protected: frozenset[str], keep: int) -> tuple[str, ...]:
    """Which releases to remove: all but `protected` and the `keep` that served last. The order is the journal's, not the names'."""
    kept = protected | frozenset(list(served)[::-1][:keep])
    return tuple(sorted(name for name in present if RELEASE_ID.match(name) and name not in kept))


def prune(paths: Paths, served: tuple[str, ...], protected: frozenset[str], keep: int) -> tuple[str, ...]:
    """Remove surplus releases, then the cached parts and environments that no remaining one needs; return the removed ids."""
    removed = surplus((path.name for path in paths.releases.iterdir()), served, protected, keep)
    for name in removed:
        # Without its manifest it counts as interrupted, so that being cut off here leaves no release that looks whole.
        paths.manifest(name).unlink(missing_ok=True)
        shutil.rmtree(paths.release(name), ignore_errors=True)
    if removed:
        prune_cache(paths)
    return removed


def prune_cache(paths: Paths) -> None:
    texts = [file.read_text() for file in paths.releases.glob("*/requirements.lock")]
    manifests = [json.loads(file.read_bytes()) for file in paths.releases.glob("*/manifest.json")]
    # Releases of before manifests named their wheels have the hashes in their locks alone.
    parts = {
        name for manifest in manifests for name in (*wheels(manifest), *caddy(manifest), *(part["sha256"] for part in manifest["parts"]))
    }
    needed = {template_name(wheels(manifest), "0.0", "").split("-")[0] for manifest in manifests}
    tool = newest_tool(paths)
    for directory in paths.cache.glob("*"):
        known = directory.name in parts or any(directory.name in text for text in texts) or directory.name == tool
        if len(directory.name) == 64 and not known:
            shutil.rmtree(directory, ignore_errors=True)
    for directory in paths.templates.glob("*"):
        if directory.name.split("-")[0] not in needed:
            shutil.rmtree(directory, ignore_errors=True)
    for file in paths.tools.glob("uv-*"):
        if not tool.startswith(file.name.removeprefix("uv-")):
            file.unlink()


def wheels(manifest: dict[str, Any]) -> tuple[str, ...]:
    """The dependencies of a release, by their SHA-256."""
    return tuple(part["sha256"] for part in manifest.get("wheels", ()))


def caddy(manifest: dict[str, Any]) -> tuple[str, ...]:
    """The edge's program that a release came with, if with one."""
    told = (manifest.get("edge") or {}).get("caddy")
    return (told["sha256"],) if told else ()


def newest_tool(paths: Paths) -> str:
    """The SHA-256 of the wheel that carries the uv in use; it is in no application's lock. Empty when there is none."""
    wheels = sorted(paths.cache.glob("*/uv-*.whl"), key=lambda path: path.stat().st_mtime)
    return wheels[-1].parent.name if wheels else ""
