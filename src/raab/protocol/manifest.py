"""What a release consists of, as it says itself. Standard library only, and pure."""

from __future__ import annotations

import json
from typing import Annotated, NamedTuple

from raab import exitcodes
from raab.errors import RaabError
from raab.protocol.edge import Edge
from raab.protocol.processes import Process, Timer
from raab.protocol.reading import known, read, shown
from raab.protocol.values import (
    FEW,
    LARGEST,
    CodeFolder,
    Commit,
    FileName,
    RelativePath,
    ReleaseId,
    SecretName,
    ServiceName,
    Sha256,
    Size,
    Variable,
    Word,
)

# What raab itself puts into a release.
TAKEN = {"manifest.json", "seal.json", "venv", "seed"}
# Parts that are unpacked.
ARCHIVES = (".whl", ".zip")


class ManifestPart(NamedTuple):
    """A file of the release; a wheel among them is raab itself, archives in the folder `app` are the project."""

    name: RelativePath
    sha256: Sha256
    size: Size


class Wheel(NamedTuple):
    """A dependency."""

    name: FileName
    sha256: Sha256


class Manifest(NamedTuple):
    """What a release consists of, and which service it is one of. `content` is the hash of the tree that it was made from; `writable` are
    the project's files and folders that the service writes, and that no release has a part in, `folders` the folders among them;
    `variables` are what its commands find it by, `python_path` the folders of its code that it is imported from; `secrets` the names of
    those that it has to be given; `processes` and `timers` are what it has beside its web; `edge` is what the edge is told, if any."""

    id: ReleaseId
    service: ServiceName
    version: Word
    commit: Commit
    content: Sha256
    lock: Sha256
    parts: Annotated[tuple[ManifestPart, ...], FEW]
    wheels: Annotated[tuple[Wheel, ...], FEW]
    writable: tuple[RelativePath, ...] = ()
    folders: tuple[RelativePath, ...] = ()
    variables: tuple[Variable, ...] = ()
    processes: tuple[Process, ...] = ()
    timers: tuple[Timer, ...] = ()
    secrets: tuple[SecretName, ...] = ()
    python_path: tuple[CodeFolder, ...] = ()
    edge: Edge | None = None


def parse(text: str) -> Manifest:
    """What a manifest says. Raises RaabError, exit code 2, for one that no release may have."""
    try:
        told: Manifest = read(Manifest, known(json.loads(text), Manifest), "manifest")
        names = [part.name for part in told.parts]
        runtime = [name for name in names if name.endswith(".whl") and "/" not in name]
        folders = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 1)}
        if len(runtime) != 1:
            raise ValueError(f"manifest: one wheel is raab's, got {shown(runtime)}")
        others = [name for name in names if name.endswith(ARCHIVES) and name not in runtime]
        if strays := [name for name in others if name.rpartition("/")[0] not in ("", "app")]:
            raise ValueError(f"manifest: an archive that belongs nowhere, got {shown(strays[0])}")
        if inside := [one for one in told.writable for other in told.writable if one.startswith(f"{other}/")]:
            raise ValueError(f"manifest: writable names what lies in another of them, got {shown(inside[0])}")
        beside = [*(one.name for one in told.processes), *(one.name for one in told.timers)]
        if len(set(beside)) < len(beside):
            raise ValueError(f"manifest: two processes or timers have one name, got {shown(beside)}")
        if len({name.casefold() for name in names}) < len(names) or folders & set(names):
            raise ValueError("manifest: two parts have one name")
        if taken := {name.split("/")[0].casefold() for name in names} & TAKEN:
            raise ValueError(f"manifest: a name that is raab's own, got {min(taken)}")
        if [part.sha256 for part in told.parts if part.name == "requirements.lock"] != [told.lock]:
            raise ValueError("manifest: its lock is none of its parts")
        if not told.id.removesuffix("-dirty").endswith(told.content[:7]):
            raise ValueError(f"manifest: its id is not of its content, got {told.id}")
        if sum(part.size for part in told.parts) > LARGEST:
            raise ValueError("manifest: more than any release")
    except (ValueError, RecursionError) as error:
        raise RaabError(str(error), "build the bundle again: remove build/raab and deploy", exitcodes.BAD_INPUT) from None
    return told
