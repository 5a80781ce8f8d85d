"""How many of each process are wanted: what its release says, or what somebody has asked for since. Root's own file, with one writer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from raab import exitcodes
from raab.errors import RaabError
from raab.host.beside.change import Wanted
from raab.host.durable import write_durably
from raab.host.paths import Paths
from raab.protocol.processes import MOST, Table


class Asked(NamedTuple):
    """Somebody has asked for so many `instances` of a process while its release said `configured`."""

    instances: int
    configured: int


def wanted(table: Table, asked: Mapping[str, Asked]) -> tuple[Wanted, ...]:
    """What was asked for counts until the release says another number than it did then."""
    found = []
    for process in table.processes:
        target = asked.get(process.name)
        same = target is not None and target.configured == process.instances
        found.append(Wanted(process, target.instances if target and same else process.instances))
    return tuple(found)


def load(paths: Paths) -> dict[str, Asked]:
    """By the process's name; what is none of ours counts as nothing."""
    try:
        told = json.loads(paths.counts.read_bytes())
        return {str(name): Asked(int(one["instances"]), int(one["configured"])) for name, one in told.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def save(paths: Paths, asked: Mapping[str, Asked]) -> None:
    write_durably(paths.counts, json.dumps({name: one._asdict() for name, one in asked.items()}).encode() + b"\n")


def parse(text: str, table: Table, asked: Mapping[str, Asked]) -> tuple[str, int, int]:
    """The process, its count before and after, of `worker=4`, `worker=+1`, `worker=-1`. Raises RaabError, exit code 2, for what is none."""
    name, _, amount = text.partition("=")
    now = {one.process.name: one.instances for one in wanted(table, asked)}
    if name not in now:
        known = ", ".join(now) or "none"
        raise RaabError(f"scale: no such process, got {name!r}", f"this release has: {known}", exitcodes.BAD_INPUT)
    if not re.fullmatch(r"[+-]?[0-9]{1,4}", amount, re.ASCII):
        raise RaabError(f"scale: not a number of processes, got {amount!r}", f"give {name}=N, {name}=+N or {name}=-N", exitcodes.BAD_INPUT)
    count = now[name] + int(amount) if amount[0] in "+-" else int(amount)
    if not 0 <= count <= MOST:
        raise RaabError(f"scale: {name} from 0 to {MOST}, got {count}", "give another number", exitcodes.BAD_INPUT)
    return name, now[name], count
