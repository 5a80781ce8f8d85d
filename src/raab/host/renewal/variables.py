"""The variables that a process was started with, beside those that a start of the service would give it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raab.errors import RaabError
from raab.host import processes, systemd
from raab.host.paths import Paths
from raab.variable import OF_THE_PROCESS


def held(paths: Paths) -> dict[str, str]:
    """Those of the running master. Raises RaabError when there is none: a service can end between any two questions."""
    found = processes.environment(systemd.main_pid(paths.unit))
    if not found:
        raise RaabError(f"{paths.unit}: it does not run any more, got no variables of a master", f"systemctl status {paths.unit}")
    return found


def lasting(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that are the same for every process of the service."""
    return {name: value for name, value in variables.items() if not OF_THE_PROCESS.fullmatch(name)}


def changed(held: Mapping[str, str], wanted: Mapping[str, str], made: Collection[str] = ()) -> list[str]:
    """The names of those that `held` has not as a start would give them; but for those that a process makes by itself."""
    ours, theirs = lasting(held), lasting(wanted)
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name) and name not in made)


def renewed(held: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """For a successor of the process that has `held`: its own where they are of the process, for all else those of a start."""
    return {**{name: value for name, value in held.items() if name not in lasting(held)}, **lasting(wanted)}
