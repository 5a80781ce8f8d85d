"""What a project writes lies in the service's own directory; it is filled there from the first release that names it, once."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Container, Sequence
from pathlib import Path, PurePath

from raab.host.paths import SEED, Paths
from raab.host.units import hook
from raab.protocol.requests import Command

# By the service's user, in a directory of its own: root would follow whatever links it has made there. Each comes to be by one rename.
TAKE = "rm -rf {part} && cp -R {source} {part} && chmod -R u+rwX,go-w {part} && mv -nT {part} {target}"


def settle(paths: Paths, release: Path, say: Callable[[str], None]) -> None:
    """It has to be there for the first command that needs it. Raises RaabError where it cannot be made."""
    manifest = json.loads((release / "manifest.json").read_bytes())
    if wanted := missing(paths.state, manifest.get("writable", ())):
        say(f"making what the service writes: {', '.join(str(paths.state / name) for name in wanted)}")
        # A release from before this was told has folders by their names.
        folders = manifest.get("folders", [name for name in wanted if not PurePath(name).suffix])
        hook.run(paths, release, "writable", Command(command(paths.state, release, wanted, folders), 600), say)


def missing(state: Path, writable: Sequence[str]) -> tuple[str, ...]:
    """What is not there yet."""
    return tuple(name for name in writable if not (state / name).exists() and not (state / name).is_symlink())


def command(state: Path, release: Path, names: Sequence[str], folders: Container[str]) -> str:
    """What makes them, for /bin/sh: with what the release brings of them, or empty; of a file the folder that it will lie in."""
    lines = ["set -e", "umask 027"]
    for name in names:
        target, seed = state / name, release / SEED / name
        lines.append(f"mkdir -p {shlex.quote(str(target.parent))}")
        if seed.exists():
            part = target.with_name(f".{target.name}.part")
            words = {"target": target, "source": seed, "part": part}
            lines.append(TAKE.format(**{key: shlex.quote(str(path)) for key, path in words.items()}))
        elif name in folders:
            lines.append(f"mkdir -p {shlex.quote(str(target))}")
    return "\n".join(lines)
