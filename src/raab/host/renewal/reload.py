"""The service takes up what a start would get by now: code, settings files, variables and credentials."""

from __future__ import annotations

from typing import Any

from raab.errors import RaabError
from raab.host import systemd
from raab.host.control import ask
from raab.host.conversation import PATIENCE
from raab.host.renewal import credentials, directives, twin, variables

# By the release's own code, as the service's user.
_CHECK = "/opt/raab/current/venv/bin/python -I -m raab.host check"


def reload() -> str:
    """Have the running service take it up; what was done, in lines. Raises RaabError when nothing changes, and why."""
    wanted = twin.now()
    with credentials.given(wanted.credentials) as names:
        said = hand_over(**environment(wanted))
    return "\n".join([said, *([f"credentials taken up: {', '.join(names)}"] if names else []), *later(wanted)])


def later(wanted: twin.Now) -> list[str]:
    """What no reload takes up, in lines for people."""
    folder = credentials.contents()
    changed = {
        "directives": directives.since_the_start(),
        # Only a start can make the folder.
        "credentials": sorted(wanted.credentials) if folder is None else [],
    }
    return [f"changed {kind}, which take effect at the next restart: {', '.join(names)}" for kind, names in changed.items() if names]


def hand_over(**more: Any) -> str:
    """Ask the running master for a reload; its verdict in a line. Raises RaabError when the new generation does not serve."""
    verdict = ask(PATIENCE, verb="reload", trial=True, **more)
    if not verdict["good"]:
        raise refused(verdict["reason"])
    how = "by a new master" if verdict["replaced"] else "by new workers"
    return f"generation {verdict['generation']} serves after {verdict['seconds']:.2f} s, {how}"


def refused(why: str) -> RaabError:
    reason, _, hint = why.partition("\nhint: ")
    return RaabError(f"reload: refused, the old workers serve on, got {reason}", hint or "repair it, then reload again")


def environment(wanted: twin.Now) -> dict[str, Any]:
    """What the request has to say of the variables: nothing where the running master has those of a start.

    A new master that could not read its settings has no way to say why, and what only a start takes up no master says. So they are tried
    first. Raises RaabError when a start would fail.
    """
    held = variables.of_process(systemd.main_pid())
    changed = variables.changed(held, wanted.environment)
    if changed or directives.since_the_start():
        _, why = twin.run(wanted.lines, _CHECK)
        if why:
            raise refused(why)
    return {"environment": variables.renewed(held, wanted.environment)} if changed else {}
