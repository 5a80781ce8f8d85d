"""The service takes up what a start would get by now: code, settings files, variables and credentials."""

from __future__ import annotations

from typing import Any

from raab.errors import RaabError
from raab.host.master.control import ask
from raab.host.master.conversation import PATIENCE
from raab.host.paths import Paths
from raab.host.renewal import credentials, directives, twin, variables
from raab.host.renewal.ahead import pending, tried
from raab.host.renewal.pending import later


def reload(paths: Paths) -> str:
    """Have the running service take it up; what was done, in lines. Raises RaabError when nothing changes, and why."""
    wanted = twin.now(paths)
    with credentials.given(paths.credentials, wanted.credentials) as names:
        said = hand_over(paths, **environment(paths, wanted))
    taken = [f"credentials taken up: {', '.join(names)}"] if names else []
    return "\n".join([said, *taken, *later(pending(paths, wanted))])


def hand_over(paths: Paths, **more: Any) -> str:
    """Ask the running master for a reload; its verdict in a line. Raises RaabError when the new generation does not serve."""
    verdict = ask(paths, PATIENCE, verb="reload", trial=True, **more)
    if not verdict["good"]:
        raise refused(verdict["reason"])
    how = "by a new master" if verdict["replaced"] else "by new workers"
    return f"generation {verdict['generation']} serves after {verdict['seconds']:.2f} s, {how}"


def refused(why: str) -> RaabError:
    reason, _, hint = why.partition("\nhint: ")
    return RaabError(f"reload: refused, the old workers serve on, got {reason}", hint or "repair it, then reload again")


def environment(paths: Paths, wanted: twin.Now) -> dict[str, Any]:
    """What the request has to say of the variables: nothing where the running master has those of a start.

    A new master that could not read its settings has no way to say why, and what only a start takes up no master says. So they are tried
    first. Raises RaabError when a start would fail.
    """
    held = variables.held(paths)
    changed = variables.changed(held, wanted.environment, wanted.made)
    if changed or directives.since_the_start(paths):
        try:
            tried(wanted, paths.current, "check")
        except RaabError as error:
            raise refused(str(error)) from None
    return {"environment": variables.renewed(held, wanted.environment)} if changed else {}
