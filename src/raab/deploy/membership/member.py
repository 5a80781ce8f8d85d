"""What `fab host.add` and `fab host.remove` do."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.bundle import build, supplies
from raab.deploy.bundle.parts import LOCK, Bundle
from raab.deploy.desk import Desk
from raab.deploy.hosts.runner import Runner
from raab.deploy.plan.deploy import Deploy
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.values import Fronting, HostPlan
from raab.deploy.report import telling
from raab.deploy.run import carry_out
from raab.errors import RaabError
from raab.protocol.answers import Removed, Timed


def add(desk: Desk, name: str, wait: float) -> int:
    """Bring a host what the others serve, prove it there, and have the edges take it into their pool. The exit code.

    Raises RaabError where the others serve nothing, or not the same, or this machine has not the bundle of it.
    """
    environment = desk.environment
    environment.claim()
    host, others = apart(environment, name)
    with Runner(replace(environment, hosts=others, edges=()), desk.console.progress) as runner:
        asked = runner.facts()
    for error in asked.failed.values():
        raise error
    release = served(asked.done)
    bundle = kept(desk.root, release)
    desk.environment = replace(environment, hosts=(host,))
    supply = functools.partial(supplies.supply, desk.root, bundle)
    operation = Deploy(desk.environment, bundle, supply, program=functools.partial(supplies.program, desk.root))
    with desk.runner() as runner:
        done = carry_out(runner, lambda: operation, wait)
    return telling.report(done, desk.console, as_json=False)


def remove(desk: Desk, name: str, wait: float) -> int:
    """Have nobody send a host anything more, and take the service off it; its data stay. The exit code. One that cannot be reached is taken
    out of the edges' pool alone.

    Raises RaabError where nobody else serves, or an edge cannot be told; who is told already has the host out of its pool.
    """
    environment = desk.environment
    environment.claim()
    host, others = apart(environment, name)
    pool = tuple(address for one, address in zip(environment.hosts, environment.pool, strict=False) if one != host)
    desk.environment = replace(environment, hosts=(host,))
    with desk.runner() as runner:
        asked = runner.facts(edges=True)
        for failed, error in asked.failed.items():
            if failed != name or error.exit_code != exitcodes.UNREACHABLE or not environment.edges:
                raise error
        runner.lock(tuple(asked.done), f"removal of {name}", wait)
        serves = name in asked.done and asked.done[name].service.get("ActiveState") in ("active", "reloading")
        if serves:
            runner.progress(name, f"drained: /readyz says 503; waiting until no request has come for {environment.notice:g} s")
            runner.ask(name, "drain", Timed, lasts=True, quiet=environment.notice)
        for edge in environment.edges:
            if front := asked.done[edge.name].front:
                runner.front(HostPlan(edge, "activate", front.release, front.release, front=Fronting(pool)))
        if name in asked.done:
            runner.ask(name, "remove", Removed, runner.teller(name), lasts=True, purge=False)
    what = "the service is off it" if name in asked.done else "it was not reached: what it has of the service it keeps"
    left = ", ".join(other.name for other in others)
    print(f"{name}  out of the pool; {what}\n{left} serve on; take {name} out of deploy/{environment.name}.yaml before the next deploy")
    return exitcodes.DONE


def apart(environment: Environment, name: str) -> tuple[Host, tuple[Host, ...]]:
    """A host that runs the service, and the others that do. Raises RaabError where the file has none of the one or the other."""
    found = environment.only(name).hosts[0]
    others = tuple(host for host in environment.hosts if host.name != found.name)
    if not others:
        hint = f"`fab deploy` brings the service to {name}, `fab remove` takes it off"
        raise RaabError(f"host: {environment.name} has no other host that runs the service, got {name} alone", hint, exitcodes.BAD_INPUT)
    return found, others


def served(facts: Mapping[str, HostFacts]) -> str:
    """The release that all of them serve. Raises RaabError where there is no such one."""
    found = {name: host.running.id if host.running else "nothing that is proved" for name, host in facts.items()}
    releases = set(found.values())
    if len(releases) != 1 or not all(host.running for host in facts.values()):
        got = ", ".join(f"{name}: {release}" for name, release in found.items())
        raise RaabError(f"host.add: the others do not serve one release, got {got}", "`fab deploy` brings all to one", exitcodes.REFUSED)
    return releases.pop()


def kept(root: Path, release: str) -> Bundle:
    """The bundle by which a release was brought. Raises RaabError where this machine has it no longer."""
    for file in sorted((root / "build" / "raab" / "bundles").glob(f"*/{release}.tar")):
        if found := build.read(file.parent):
            # By the lock that it was made with: the tree may be elsewhere by now.
            lock = next(part.path for part in found.parts if part.name == LOCK)
            return replace(found, lock_file=str(lock))
    hint = "type it where that was deployed from; or `fab deploy`, which brings the working tree to all of them"
    raise RaabError(f"host.add: this machine has no bundle of what the others serve, got {release}", hint, exitcodes.REFUSED)
