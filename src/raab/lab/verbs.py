"""What each verb of the lab does: it prints its result on standard output, and its progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from raab.errors import RaabError
from raab.lab import lab as lifecycle
from raab.lab import presence
from raab.lab.state import LabHost, hosts, named


def say(text: str) -> None:
    """Progress goes to standard error, so that standard output stays one document."""
    print(text, file=sys.stderr, flush=True)


def up(count: str, suite: str) -> None:
    started = time.monotonic()
    # Text, because invoke ends with a traceback when it shall make a number of what is none.
    if not count.isdecimal():
        raise RaabError(f"lab.up --hosts: not a number, got {count!r}", "two are enough for most purposes")
    for one in lifecycle.up(named(), int(count), say, str(checkout()), suite):
        print(f"{one.name}  {one.address}")
    print(f"lab {named().name} is up after {time.monotonic() - started:.1f} s")


def checkout() -> Path:
    """The project that this is typed in: the nearest folder with a fabfile.py."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "fabfile.py").is_file()), here)


def down() -> None:
    count = lifecycle.down(named())
    print(f"lab {named().name}: {count} hosts removed" if count else f"lab {named().name}: nothing to remove")


def show(as_json: bool) -> None:
    print(document(hosts(named())) if as_json else table(hosts(named())))


def document(everyone: tuple[LabHost, ...]) -> str:
    """The hosts for machines."""
    return json.dumps({"hosts": [{"name": one.name, "address": one.address, "ssh": one.ssh_argv} for one in everyone]})


def table(everyone: tuple[LabHost, ...]) -> str:
    """The hosts for people."""
    if not everyone:
        return "no hosts; `fab lab.up` boots some"
    states = ("running" if presence.leader(one) else "off    " for one in everyone)
    return "\n".join(f"{one.name}  {one.address}  {state}  {' '.join(one.ssh_argv)}" for one, state in zip(everyone, states, strict=True))


def start(name: str) -> None:
    print(f"{lifecycle.start(named(), name).name} is up")


def reboot(name: str) -> None:
    print(f"{lifecycle.reboot(named(), name).name} is up again")


def kill(name: str) -> None:
    print(f"{lifecycle.kill(named(), name).name} is off; `fab lab.start {name}` boots it")


def cut(name: str) -> None:
    print(f"{lifecycle.cut(named(), name).name} is cut off; `fab lab.heal {name}` ends it")


def heal(name: str) -> None:
    print(f"{lifecycle.heal(named(), name).name} is on the network")


def fresh(name: str) -> None:
    print(f"{lifecycle.fresh(named(), name).name} is bare")
