"""A bundle as a value: the release that it becomes, and the files that it consists of."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from msgspec import Struct

from raab.protocol import edge
from raab.protocol.edge import Edge
from raab.settings.commands import Migrate

LOCK = "requirements.lock"
# So many files are named where there may be thousands.
NAMED = 5


class Part(Struct, frozen=True):
    """One file to send: the name it gets on the host, its SHA-256 in hex, its size in bytes, and where it lies here."""

    name: str
    sha256: str
    size: int
    path: Path


class Bundle(Struct, frozen=True):
    """A release before it is on any host. `manifest` is the text that becomes the release's manifest.json, byte by byte; `settings` those
    that it brings (raab.host.releases.shipped); `project` is the name of the distribution, `service` what it is on hosts; `ignored` are
    files of the code that are in no release, since git ignores them; `lock_file` is the lock that hosts get, by the name that the project
    has it by; `secrets` are the names of those that the service has to be given; `migrate` brings a database to where the release wants it,
    by its `migrations`; `static` has the files that edges for its hosts serve by themselves."""

    id: str
    version: str
    commit: str
    content: str
    lock: str
    parts: tuple[Part, ...]
    manifest: str
    file: Path
    settings: str = ""
    project: str = ""
    service: str = "raab"
    ignored: tuple[str, ...] = ()
    lock_file: str = LOCK
    secrets: tuple[str, ...] = ()
    migrate: Migrate | None = None
    migrations: tuple[str, ...] = ()
    static: Part | None = None

    @property
    def dirty(self) -> bool:
        """Whether it is something else than its commit."""
        return self.id.endswith("-dirty")

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a deployer should know of it before it is sent."""
        if not self.ignored:
            return ()
        more = f" and {len(self.ignored) - NAMED} more" if len(self.ignored) > NAMED else ""
        return (f"not in the release, since git ignores it: {', '.join(self.ignored[:NAMED])}{more}",)

    @property
    def wheel(self) -> Path:
        """raab itself."""
        return next(part.path for part in self.parts if part.name.endswith(".whl") and "/" not in part.name)

    @property
    def wheels(self) -> tuple[Path, ...]:
        """Those that ask for dependencies: raab's, and the project's if it is one."""
        return tuple(part.path for part in self.parts if part.name.endswith(".whl"))

    @property
    def edge(self) -> Edge | None:
        """What the edge of its hosts is told, if they have one."""
        return edge.of(json.loads(self.manifest))

    def manifest_with(self, wheels: tuple[Part, ...], caddy: Part | None = None) -> str:
        """The manifest of a release with the dependencies, and the program of the edge, that one kind of host has: hosts install what it
        names, by its SHA-256."""
        return with_wheels(self.manifest, wheels, caddy)


@functools.cache
def with_wheels(manifest: str, wheels: tuple[Part, ...], caddy: Part | None) -> str:
    """Made once for each kind of host: a thousand of them share one text."""
    told = json.loads(manifest)
    told["wheels"] = [{"name": part.path.name, "sha256": part.sha256} for part in wheels]
    if caddy:
        told["edge"]["caddy"] = {"version": caddy.path.name.split("-")[1], "sha256": caddy.sha256}
    return json.dumps(told, indent=1) + "\n"
