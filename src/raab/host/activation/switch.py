"""Point `current` at another release, in one step that a power loss cannot cut in two. Standard library only."""

from __future__ import annotations

from pathlib import Path

from raab.host.durable import sync_directory
from raab.host.paths import Paths


def switch(paths: Paths, release_id: str) -> None:
    """Replace `current` by rename. The link is relative, so that `ls -l` reads the same wherever the tree is mounted."""
    put(paths, str(Path("releases") / paths.release(release_id).name))


def text(paths: Paths) -> str | None:
    """What the link `current` reads, wherever that leads; None where there is none."""
    try:
        return str(paths.current.readlink())
    except OSError:
        return None


def put(paths: Paths, target: str) -> None:
    part = paths.root / "current.part"
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(paths.current)
    sync_directory(paths.root)


def restore(paths: Paths, link: str | None) -> None:
    """Make `current` what it was before a switch: a link of this text, wherever it leads, or none."""
    if link is None:
        paths.current.unlink(missing_ok=True)
        sync_directory(paths.root)
    else:
        put(paths, link)
