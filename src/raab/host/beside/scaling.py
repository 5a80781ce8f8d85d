"""Changing how many of a process run."""

from __future__ import annotations

from collections.abc import Callable

from raab import exitcodes
from raab.errors import RaabError
from raab.host.beside import counts, unit
from raab.host.beside.become import become, sweep
from raab.host.beside.counts import Asked
from raab.host.paths import Paths
from raab.host.releases import current_release


def scale(paths: Paths, text: str, say: Callable[[str], None]) -> str:
    """By `worker=4`, `worker=+1` or `worker=-1`, until that many have stayed up; a line that says so. It lasts over
    everything that ends them.

    Raises RaabError, exit code 2, for what is none, and where one does not stay up: then as many run as before.
    """
    current = current_release(paths)
    if current is None:
        raise RaabError("scale: no release is current on this host", "fab deploy", exitcodes.BAD_INPUT)
    release = paths.release(current)
    table = unit.table(release)
    asked = counts.load(paths)
    name, before, after = counts.parse(text, table, asked)
    configured = next(one.instances for one in table.processes if one.name == name)
    counts.save(paths, asked | {name: Asked(after, configured)})
    try:
        become(paths, release, say)
    except RaabError:
        counts.save(paths, asked)
        become(paths, release, say)
        raise
    sweep(paths)
    return f"{name}: {before} -> {after}"
