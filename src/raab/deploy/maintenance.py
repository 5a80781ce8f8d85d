"""`fab maintenance on`, `off`: every edge of an environment gives a page in the place of the service, or no longer."""

from __future__ import annotations

import sys

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.deploy.environments import page
from raab.deploy.hosts.fleet import everywhere
from raab.errors import RaabError
from raab.protocol.answers import Facts, Nothing


def turn(desk: Desk, state: str, wait: float) -> int:
    """On the hosts with the role edge, or on each host where there are none. The exit code; who could not be asked is told, and the others
    do it all the same.

    Raises RaabError for another word than on and off, where there are no domains to have a page, and for a page that cannot be read.
    """
    environment, on = desk.environment, state == "on"
    environment.claim()
    if state not in ("on", "off"):
        raise RaabError(f"maintenance: it is on or off, got {state}", "fab maintenance on", exitcodes.BAD_INPUT)
    if on and not environment.settings.domains:
        problem = f"maintenance: the edge gives the page, and {environment.name} has no `domains` for which there would be one"
        raise RaabError(problem, "a proxy of your own has a page of its own", exitcodes.BAD_INPUT)
    told = page(desk.root, environment.settings) if on else ""
    names = tuple(host.name for host in environment.edges or environment.hosts)
    with desk.runner() as runner:
        asked = everywhere(names, lambda name: runner.told(name, runner.ask(name, "facts", Facts)), runner.parallel)
        runner.lock(tuple(asked.done), f"maintenance {state}", wait)

        def work(name: str) -> Nothing:
            runner.stands(name, doing=f"maintenance {state}")
            done = runner.ask(name, "maintenance", Nothing, runner.teller(name), lasts=True, on=on, page=told)
            runner.stands(name, doing="")
            return done

        outcome = everywhere(asked.done, work, runner.parallel)
    for name in outcome.done:
        print(f"{name}  maintenance is {state}")
    failed = {**asked.failed, **outcome.failed}
    for error in failed.values():
        print(error, file=sys.stderr)
    return max((error.exit_code for error in failed.values()), default=exitcodes.DONE)
