"""The lab's verbs for `fab`; the root's fabfile adds the collection."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from raab.errors import RaabError
from raab.lab import lab as lifecycle
from raab.lab import presence
from raab.lab.state import LabHost, hosts, named


def plain(body: Callable[..., None]) -> Callable[..., None]:
    """Lets an expected error end as its two lines and its exit code, without a traceback."""

    @functools.wraps(body)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            body(*args, **kwargs)
        except RaabError as error:
            raise Exit(str(error), error.exit_code) from error

    return wrapper


def say(text: str) -> None:
    """Progress goes to standard error, so that standard output stays one document."""
    print(text, file=sys.stderr, flush=True)


@task(help={"hosts": "how many hosts there shall be at least (default 2)"})
@plain
def up(_: Context, hosts: str = "2") -> None:
    """Boot throwaway hosts; those that run are left alone."""
    started = time.monotonic()
    # Text, because invoke ends with a traceback when it shall make a number of what is none.
    if not hosts.isdecimal():
        raise RaabError(f"lab.up --hosts: not a number, got {hosts!r}", "two are enough for most purposes")
    for one in lifecycle.up(named(), int(hosts), say):
        print(f"{one.name}  {one.address}")
    print(f"lab {named().name} is up after {time.monotonic() - started:.1f} s")


@task
@plain
def down(_: Context) -> None:
    """End every throwaway host and remove its state."""
    count = lifecycle.down(named())
    print(f"lab {named().name}: {count} hosts removed" if count else f"lab {named().name}: nothing to remove")


@task(name="list", help={"json": "one JSON document on standard output"})
@plain
def list_(_: Context, json: bool = False) -> None:
    """Show the hosts and how to open a root shell on each."""
    print(document(hosts(named())) if json else table(hosts(named())))


def document(everyone: tuple[LabHost, ...]) -> str:
    """The hosts for machines."""
    return json.dumps({"hosts": [{"name": one.name, "address": one.address, "ssh": one.ssh_argv} for one in everyone]})


def table(everyone: tuple[LabHost, ...]) -> str:
    """The hosts for people."""
    if not everyone:
        return "no hosts; `fab lab.up` boots some"
    states = ("running" if presence.leader(one) else "off    " for one in everyone)
    return "\n".join(f"{one.name}  {one.address}  {state}  {' '.join(one.ssh_argv)}" for one, state in zip(everyone, states, strict=True))


@task
@plain
def start(_: Context, name: str) -> None:
    """Boot a host whose power was cut."""
    print(f"{lifecycle.start(named(), name).name} is up")


@task
@plain
def reboot(_: Context, name: str) -> None:
    """Reboot a host cleanly and wait until it answers."""
    print(f"{lifecycle.reboot(named(), name).name} is up again")


@task
@plain
def kill(_: Context, name: str) -> None:
    """Cut a host's power."""
    print(f"{lifecycle.kill(named(), name).name} is off; `fab lab.start {name}` boots it")


@task
@plain
def cut(_: Context, name: str) -> None:
    """Take a host off the network."""
    print(f"{lifecycle.cut(named(), name).name} is cut off; `fab lab.heal {name}` ends it")


@task
@plain
def heal(_: Context, name: str) -> None:
    """Put a host back on the network."""
    print(f"{lifecycle.heal(named(), name).name} is on the network")


@task
@plain
def fresh(_: Context, name: str) -> None:
    """Give a host a bare file system, as on its first day."""
    print(f"{lifecycle.fresh(named(), name).name} is bare")


namespace = Collection("lab", up, down, list_, start, reboot, kill, cut, heal, fresh)
