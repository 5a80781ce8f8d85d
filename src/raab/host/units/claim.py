"""Whose a service's name is on a host: raab's, which it marks before it writes anything else, or somebody else's. Standard library only."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from raab import servicename
from raab.host.durable import write_durably
from raab.host.paths import Paths
from raab.host.units.sandbox import PLACES

MARK = "# Written by raab: the service {name} of this host is raab's. It stays as long as anything of the service does.\n"
# What an operator may have put into /etc/<name> before the first deploy.
PREPARED = {"setting.yaml", "config.yaml", "logging.yaml", "credentials", "credentials.encrypted", "environment"}
_KINDS = ("service", "socket", "timer", "target", "path", "mount")


def take(paths: Paths) -> None:
    """Mark the name as raab's. Raises RaabError where it is somebody else's; nothing has been written then."""
    if found := foreign(paths):
        raise servicename.taken(paths.name, found)
    if not paths.mark.exists():
        paths.mark.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_durably(paths.mark, MARK.format(name=paths.name).encode())


def foreign(paths: Paths) -> list[str]:
    """What the host has under that name and raab has not made, in words."""
    return [] if ours(paths) else list(_found(paths))


def ours(paths: Paths) -> bool:
    """By the mark; of before there was one, by a release."""
    return paths.mark.is_file() or any(paths.releases.glob("*/manifest.json"))


def _found(paths: Paths) -> Iterator[str]:
    for kind in _KINDS:
        yield from (str(file) for place in (paths.units, *PLACES) if os.path.lexists(file := place / f"{paths.name}.{kind}"))
    for what, known in (("user", {one.pw_name for one in pwd.getpwall()}), ("group", {one.gr_name for one in grp.getgrall()})):
        if paths.user in known:
            yield f"the {what} {paths.user}"
    for folder, allowed in ((paths.root, set()), (paths.state, set()), (paths.runtime, set()), (paths.configuration, PREPARED)):
        if strange := _others(folder, allowed):
            yield f"{folder} with {strange}"


def _others(folder: Path, allowed: set[str]) -> str:
    """Something there beside what is allowed; empty where there is nothing."""
    if not folder.is_dir():
        return "no folder" if os.path.lexists(folder) else ""
    return next((entry.name for entry in sorted(folder.iterdir()) if entry.name not in allowed), "")
