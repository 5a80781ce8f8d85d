"""The verbs of `fab host`."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from raab.deploy.verb import WAIT, desk, verb

ROOM = "host."
NAME = "a host that the environment's file names, and that runs the service"


@verb(room=ROOM, name=NAME, wait=WAIT)
def add(context: Context, name: str, env: str = "lab", wait: float = 0.0, debug: bool = False) -> int:
    """Bring a host what the others serve, and into the edges' pool."""
    from raab.deploy.membership import member

    return member.add(desk(context, env, None), name, wait)


@verb(room=ROOM, name=NAME, wait=WAIT)
def remove(context: Context, name: str, env: str = "lab", wait: float = 0.0, debug: bool = False) -> int:
    """Out of the pool, requests in flight ended, and the service off the host; its data stay."""
    from raab.deploy.membership import member

    return member.remove(desk(context, env, None), name, wait)


namespace = Collection("host", add, remove)
