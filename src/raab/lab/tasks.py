"""The lab's verbs for `fab`; the root's fabfile adds the collection."""

from __future__ import annotations

import importlib
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from raab.deploy.guard import guarded

plain = guarded(bounded=False, room="lab.")


def verbs() -> Any:
    """Imported when one is carried out: `fab deploy` does not wait for them."""
    return importlib.import_module("raab.lab.verbs")


@task(help={"hosts": "how many hosts there shall be at least (default 2)", "suite": "their Debian: bookworm, trixie or testing"})
@plain
def up(_: Context, hosts: str = "2", suite: str = "") -> None:
    """Boot throwaway hosts; those that run are left alone, but of another Debian than is asked for."""
    verbs().up(hosts, suite)


@task
@plain
def down(_: Context) -> None:
    """End every throwaway host and remove its state."""
    verbs().down()


@task(name="list", help={"json": "one JSON document on standard output"})
@plain
def list_(_: Context, json: bool = False) -> None:
    """Show the hosts and how to open a root shell on each."""
    verbs().show(json)


@task
@plain
def start(_: Context, name: str) -> None:
    """Boot a host whose power was cut."""
    verbs().start(name)


@task
@plain
def reboot(_: Context, name: str) -> None:
    """Reboot a host cleanly and wait until it answers."""
    verbs().reboot(name)


@task
@plain
def kill(_: Context, name: str) -> None:
    """Cut a host's power."""
    verbs().kill(name)


@task
@plain
def cut(_: Context, name: str) -> None:
    """Take a host off the network."""
    verbs().cut(name)


@task
@plain
def heal(_: Context, name: str) -> None:
    """Put a host back on the network."""
    verbs().heal(name)


@task
@plain
def fresh(_: Context, name: str) -> None:
    """Give a host a bare file system, as on its first day."""
    verbs().fresh(name)


namespace = Collection("lab", up, down, list_, start, reboot, kill, cut, heal, fresh)
