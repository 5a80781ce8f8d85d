"""What this host's edge was told of a service on other hosts, kept by release: the way back needs no deployer's word. Standard library
only."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host.durable import sync_directory, write_durably
from raab.host.edge import sites
from raab.host.paths import RELEASE_ID, Paths
from raab.protocol.edge import Edge
from raab.protocol.facts import Fronted
from raab.protocol.reading import known, plainly, read

# As many as an environment may have its hosts keep.
_KEPT = 100


def standing(paths: Paths) -> Fronted | None:
    """None where it does nothing for that service, or what it does is for this host's own."""
    release = current(paths)
    with suppress(OSError, ValueError, LookupError, TypeError):
        site = sites.read(sites.file(paths).read_bytes())
        kept = tuple(sorted(file.stem for file in paths.fronts.glob("*.json") if RELEASE_ID.match(file.stem)))
        addresses, weights = (tuple(column) for column in zip(*((one.address, one.weight) for one in site.upstreams), strict=True))
        return Fronted(release, site.domains, addresses, kept, weights if len({*weights}) > 1 else ()) if release else None
    return None


def current(paths: Paths) -> str:
    with suppress(OSError):
        name = (paths.fronts / "current").readlink().name.removesuffix(".json")
        return name if RELEASE_ID.match(name) else ""
    return ""


def _file(paths: Paths, release: str) -> Path:
    return paths.fronts / f"{release}.json"


def kept(paths: Paths, release: str) -> Edge:
    """What it was told of a release. Raises RaabError for one of which it was told nothing."""
    try:
        text = json.loads(_file(paths, release).read_bytes())
        found: Edge = read(Edge, known(text, Edge), "front")
    except (OSError, ValueError, RecursionError) as error:
        raise RaabError(
            f"edge: it was told nothing of {release} that it has kept", "deploy that release again", exitcodes.REFUSED
        ) from error
    return found


def all_kept(paths: Paths) -> tuple[Edge, ...]:
    """What it was told of each release, the newest first."""
    names = sorted((file.stem for file in paths.fronts.glob("*.json") if RELEASE_ID.match(file.stem)), reverse=True)
    return tuple(kept(paths, name) for name in names)


def kept_or_none(paths: Paths) -> Edge | None:
    release = current(paths)
    return kept(paths, release) if release else None


def keep(paths: Paths, release: str, told: Edge) -> None:
    paths.fronts.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_durably(_file(paths, release), json.dumps(plainly(told)).encode())
    mark(paths, release)
    for file in sorted(paths.fronts.glob("*.json"))[:-_KEPT]:
        if file.stem != release:
            file.unlink()


def mark(paths: Paths, release: str) -> None:
    """Of which release the edge does what it was told."""
    link = paths.fronts / "current"
    if not release:
        link.unlink(missing_ok=True)
        return
    part = link.with_name("current.part")
    part.unlink(missing_ok=True)
    part.symlink_to(f"{release}.json")
    part.replace(link)
    sync_directory(paths.fronts)
