"""Whether anything can be done on a host. Pure."""

from __future__ import annotations

from raab import exitcodes
from raab.deploy.plan.environment import Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.python import unreadable
from raab.deploy.plan.values import at
from raab.errors import RaabError

OLDEST_SYSTEMD = 252


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
