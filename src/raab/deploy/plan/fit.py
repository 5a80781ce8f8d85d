"""Whether anything can be done on a host. Pure."""

from __future__ import annotations

from raab import exitcodes
from raab.deploy.plan.environment import Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.python import unreadable
from raab.deploy.plan.values import at
from raab.errors import RaabError
from raab.protocol.edge import LOWEST, numbers

OLDEST_SYSTEMD = 252


def ill_served(host: Host, program: str, facts: HostFacts) -> RaabError | None:
    """Why a program of the operator's own cannot be its edge, if one is named."""
    if not program or (facts.program and numbers(facts.program) >= numbers(LOWEST)):
        return None
    problem = f"caddy: {program}: version {LOWEST} or newer is needed, got {facts.program or 'none there'}"
    return at(host, RaabError(problem, "install it, or leave the key out: a deploy brings one", exitcodes.REFUSED))


def unfit(host: Host, facts: HostFacts) -> RaabError | None:
    """Why nothing can be activated on this host, whatever it is."""
    if facts.uid != 0:
        return at(
            host, RaabError(f"login: root's rights are needed, got user id {facts.uid}", "log in as root or with sudo", exitcodes.REFUSED)
        )
    if why := unreadable(facts.executable):
        hint = "name one as `python` in the environment's file that stands elsewhere, such as /usr/bin/python3"
        return at(host, RaabError(f"python: it cannot serve, got {why}", hint, exitcodes.REFUSED))
    if facts.systemd < OLDEST_SYSTEMD:
        got = facts.systemd or "none"
        return at(
            host, RaabError(f"systemd: version {OLDEST_SYSTEMD} or newer is needed, got {got}", "upgrade the host", exitcodes.REFUSED)
        )
    return None
