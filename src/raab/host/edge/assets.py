"""Files that this host's edge serves by itself, of all releases that are kept: a folder for each prefix of URLs, in which each file is that
of the newest release that has it. Standard library only.

Caddy knows the folders alone, by names that stay: a deploy, a rollback and the end of a release tell it nothing. What several releases have
is at its place all the while.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from raab.errors import RaabError
from raab.host import journal
from raab.host.durable import sync_directory
from raab.host.edge import through
from raab.host.paths import RELEASE_ID, Paths
from raab.protocol import edge
from raab.protocol.edge import Edge

# In the folder of what was brought at once.
FILES = "files"
# A prefix of URLs, and where files for it lie.
Place = tuple[str, Path]


def folder(paths: Paths, prefix: str) -> Path:
    """Where Caddy finds the files below a prefix."""
    return paths.statics / "current" / edge.key(prefix)


def arrange(paths: Paths, *first: str) -> None:
    """Lay the files of this host's releases together anew: those of the first ones before all others, which follow by when they last
    served."""
    there = sorted((path.name for path in paths.releases.glob("*/") if RELEASE_ID.match(path.name)), reverse=True)
    order = dict.fromkeys((*first, *reversed(journal.worth_keeping(journal.read(paths.journal))), *there))
    _use(paths, [one for name in order if name in there for one in of_release(paths.release(name))])


def arrange_brought(paths: Paths, *told: Edge) -> None:
    """The same of what the edge was brought for releases of other hosts, as it was told of these, one after the other."""
    _use(paths, [one for each in dict.fromkeys(told) for one in brought(paths, each)])


def _use(paths: Paths, found: list[Place]) -> None:
    """Take all of it into use by one rename. They are hard links, so that what is a file of the release keeps its time, and with that its
    ETag."""
    if not found:
        shutil.rmtree(paths.statics, ignore_errors=True)
        return
    link = paths.statics / "current"
    target = paths.statics / ("b" if link.is_symlink() and link.readlink().name == "a" else "a")
    if target.exists():
        shutil.rmtree(target)
    for prefix, place in found:
        _lay(str(place), str(target / edge.key(prefix)))
    part = link.with_name("current.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target.name)
    part.replace(link)
    sync_directory(paths.statics)


def of_release(release: Path) -> Iterator[Place]:
    """What a release has of them, if it is complete; edges elsewhere are brought their own."""
    with suppress(OSError, ValueError):
        told = edge.of(json.loads((release / "manifest.json").read_bytes()))
        for static in told.statics if told and not told.edges else ():
            # A project lies beside raab, and raab's own one in the environment.
            for base in (release / "app", *release.glob("venv/lib/python3*/site-packages")):
                if (base / static.folder).is_dir():
                    yield static.prefix, base / static.folder
                    break


def brought(paths: Paths, told: Edge) -> Iterator[Place]:
    """What the edge was brought of them."""
    for static in told.statics if told.files else ():
        place = paths.brought / told.files / FILES / edge.key(static.prefix)
        if place.is_dir():
            yield static.prefix, place


def forget(paths: Paths, kept: Iterable[Edge]) -> None:
    """Take away what was brought for none of these."""
    wanted = {told.files for told in kept}
    for path in paths.brought.glob("*"):
        if path.name not in wanted:
            shutil.rmtree(path)


def _lay(source: str, target: str) -> None:
    """Link what is not there yet. A newer release's file stands in the way of a folder, and the other way round; links lead elsewhere."""
    os.makedirs(target, mode=0o755, exist_ok=True)  # noqa: PTH103  Path's own calls would take longer than the links.
    with os.scandir(source) as entries:
        for entry in entries:
            with suppress(FileExistsError, NotADirectoryError):
                if entry.is_dir(follow_symlinks=False):
                    _lay(entry.path, f"{target}/{entry.name}")
                elif entry.is_file(follow_symlinks=False):
                    os.link(entry.path, f"{target}/{entry.name}")


def prove(paths: Paths, told: Edge, found: Iterable[Place]) -> None:
    """Raises RaabError where the edge does not give a file of each of the folders. Without a certificate nobody is a client yet."""
    for prefix, place in found:
        names = (Path(home, name).relative_to(place) for home, _, files in os.walk(place) for name in files)
        if (name := next((str(name) for name in names if not any(part.startswith(".") for part in name.parts)), "")) == "":
            continue
        path = f"{prefix}/{quote(name)}"
        try:
            status, headers = through.answer(through.anybody(), told.domains[0], path)
        except ssl.SSLError:
            return
        except (OSError, HTTPException) as error:
            status, headers = 0, {"error": str(error)}
        # What the service has answered has its id.
        if status != 200 or "x-request-id" in headers:
            got = "the service's answer" if "x-request-id" in headers else headers.get("error") or f"status {status}"
            hint = f"can the user raab-edge read it? namei -l {folder(paths, prefix)}/"
            raise RaabError(f"static: https://{told.domains[0]}{path} is not given by the edge, got {got}", hint)
