"""Files that this host's edge serves for a service on other hosts, as they were sent. Standard library only."""

from __future__ import annotations

import shutil

from raab.host import seal
from raab.host.durable import sync_directory
from raab.host.edge import fronts
from raab.host.edge.assets import FILES
from raab.host.paths import Paths
from raab.host.session import install, unpack
from raab.protocol.edge import Edge


def take(paths: Paths, told: Edge) -> None:
    """Unpack them, unless they are there: what has not changed are links to those of the release before. Raises RaabError where they were
    not sent, or are not what their record says."""
    home = paths.brought / told.files
    if not told.files or home.exists():
        return
    archive = install.require(paths, told.files, "what has the edge's files")
    part = home.with_name(f"{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    before = fronts.kept_or_none(paths)
    last = paths.brought / before.files if before and before.files else None
    with install.lowered_errors("the edge's files"):
        unpack.unpack(archive, unpack.Target(part, FILES), last if last and last.exists() else None)
        seal.write(part, seal.make(part, {}))
        install.sync(part)
        part.rename(home)
        sync_directory(paths.brought)
    shutil.rmtree(archive.parent)
