"""What a host had before a drill, and has again after it: its release, its own settings, and none of the releases that drills made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raab.drill.stage.project import Project
from raab.drill.stage.service import PATHS, SETTINGS
from raab.host.paths import RELEASE_ID
from raab.lab.shell import Shell

# Beside the settings: a drill that is killed must not have lost them.
ASIDE = f"{SETTINGS}.before-drill"


@dataclass(frozen=True)
class Before:
    """One host: the release that served (empty for none), and all that were there."""

    shell: Shell
    release: str
    releases: tuple[str, ...]


def note(shell: Shell) -> Before:
    """Look at a host, and lay its own settings aside: drills bring theirs."""
    shell.run(f"test ! -e {SETTINGS} || mv -n {SETTINGS} {ASIDE}; rm -f {SETTINGS}")
    current = shell.run(f"basename $(readlink {PATHS.current})", check=False).out.strip()
    return Before(shell, current if RELEASE_ID.match(current) else "", present(shell))


def present(shell: Shell) -> tuple[str, ...]:
    found = shell.run(f"ls {PATHS.releases} 2>/dev/null", check=False).out.split()
    return tuple(name for name in found if RELEASE_ID.match(name))


def restore(root: Path, project: Project, hosts: Sequence[Before]) -> None:
    """Have each host serve what it served, and remove what it did not have. One that had nothing keeps the working tree's release."""
    for host in hosts:
        host.shell.run(f"rm -f {SETTINGS}; test ! -e {ASIDE} || mv {ASIDE} {SETTINGS}")
    for release in sorted({host.release for host in hosts if host.release}):
        names = ",".join(host.shell.host.name for host in hosts if host.release == release)
        project.fab("rollback", "--to", release, "--hosts", names)
    bare = ",".join(host.shell.host.name for host in hosts if not host.release)
    if bare:
        project.refresh(root)
        project.fab("deploy", "--hosts", bare, env=project.afterwards())
    for host in hosts:
        current = host.shell.run(f"basename $(readlink {PATHS.current})").out.strip()
        for name in present(host.shell):
            if name not in (*host.releases, current):
                # Without its manifest it counts as interrupted, so that being cut off here leaves no release that looks whole.
                host.shell.run(f"rm -f {PATHS.manifest(name)}; rm -rf {PATHS.release(name)}")
