"""`fab remove`: a service is taken off its hosts."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.deploy.hosts.fleet import everywhere
from raab.deploy.plan.facts import HostFacts
from raab.errors import RaabError
from raab.protocol.answers import Removed


def remove(desk: Desk, name: str, purge: bool, yes: bool, wait: float = 0.0) -> int:
    """Of every host of the environment, or of none that could not be asked. Raises RaabError unless the name is that of the environment's
    service, and somebody says yes."""
    environment = desk.environment
    environment.claim()
    if name != environment.service:
        problem = f"remove: the service of {environment.name} is {environment.service}, got {name}"
        raise RaabError(problem, f"fab remove {environment.service} --env {environment.name}", exitcodes.BAD_INPUT)
    hosts = ", ".join(host.name for host in (*environment.hosts, *environment.edges))
    what = "with its data, settings and user" if purge else f"but for /etc/{name}, /var/lib/{name} and its user, which stay"
    question = f"remove {name} from {hosts}, {what}? [y/N] "
    if not yes and not sys.stdin.isatty():
        raise RaabError(f"remove: nobody to ask, got no terminal for: {question.strip()}", "--yes says so", exitcodes.BAD_INPUT)
    with desk.runner() as runner:
        asked = runner.facts(edges=True)
        for error in asked.failed.values():
            raise error
        if not yes and not agreed(question, asked.done):
            print("nothing was changed")
            return exitcodes.DONE
        runner.lock(tuple(asked.done), f"removal of {name}", wait)
        for host in asked.done:
            runner.stands(host, doing="the removal")

        def work(host: str) -> Removed:
            return runner.ask(host, "remove", Removed, lambda text: runner.progress(host, text), lasts=True, purge=purge)

        outcome = everywhere(asked.done, work, runner.parallel)
    for host, answer in outcome.done.items():
        print(f"{host}  {'removed' if answer.removed else 'was not there'}")
    for host, error in outcome.failed.items():
        print(f"{host}  {error}", file=sys.stderr)
    return max((error.exit_code for error in outcome.failed.values()), default=exitcodes.DONE)


def agreed(question: str, facts: Mapping[str, HostFacts]) -> bool:
    """Whether whoever sits there says yes, and sees what it is that would go: the service may be another project's. The end of what is
    typed is a no."""
    for host, told in facts.items():
        serves = f"serves {told.current}, of the project {told.project or 'unknown'}"
        print(f"{host}  {serves if told.current else 'has no release of it'}")
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
