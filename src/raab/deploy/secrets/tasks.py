"""The verbs of `fab secrets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from raab.deploy.verb import WAIT, desk, verb

if TYPE_CHECKING:
    from raab.deploy.secrets.keeper import Keeper

ROOM = "secrets."


def keeper(context: Context, env: str, hosts: str | None, json: bool = False) -> Keeper:
    from raab.deploy.secrets.keeper import Keeper

    return Keeper(desk(context, env, hosts, json))


@verb(room=ROOM, name="its name, as `secrets:` has it", from_="a command whose output it is: op read op://shop/db/url", wait=WAIT)
def set_(
    context: Context, name: str, env: str = "lab", hosts: str | None = None, from_: str = "", wait: float = 0.0, debug: bool = False
) -> int:
    """Bring a secret to the hosts: asked for at a terminal, else read from standard input."""
    return keeper(context, env, hosts).set(name, from_, wait)


@verb(room=ROOM)
def list_(context: Context, env: str = "lab", hosts: str | None = None, json: bool = False, debug: bool = False) -> int:
    """Which secrets each host has, and which are missing; no values."""
    return keeper(context, env, hosts, json).list()


@verb(room=ROOM, name="its name, as `fab secrets list` shows it", wait=WAIT)
def rm(context: Context, name: str, env: str = "lab", hosts: str | None = None, wait: float = 0.0, debug: bool = False) -> int:
    """Take a secret away that no release that is current needs."""
    return keeper(context, env, hosts).remove(name, wait)


@verb(room=ROOM, file="NAME=value lines", wait=WAIT)
def import_(context: Context, file: str, env: str = "lab", hosts: str | None = None, wait: float = 0.0, debug: bool = False) -> int:
    """Bring those of a .env file to the hosts that `secrets:` names."""
    return keeper(context, env, hosts).take_in(Path(file), wait)


namespace = Collection("secrets", set_, list_, rm, import_)
