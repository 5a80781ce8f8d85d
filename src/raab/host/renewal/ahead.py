"""What the next start of the service would come to, and what it would have that the running service has not."""

from __future__ import annotations

import re
from typing import Any

from raab.errors import RaabError
from raab.host import inquiry, processes, systemd
from raab.host.paths import Paths
from raab.host.renewal import credentials, directives, twin, variables
from raab.host.renewal.pending import Pending
from raab.host.renewal.twin import Now
from raab.plain import plain

# By which its addresses are told (raab.deploy.plan.addresses).
_TOLD = re.compile(r"RAAB_ENVIRONMENT|RAAB_SERVER__\w+")
# Of a unit that is to be started with the system (systemctl(1), is-enabled).
_STARTED = ("enabled", "linked", "static", "alias", "indirect", "generated")


def check(paths: Paths) -> str:
    """The command by which the current release's own code says, as the service's user, whether a start would go well."""
    return f"{paths.current}/venv/bin/python -I -m raab.host check"


def look(paths: Paths) -> dict[str, Any]:
    """For people who only look, by `fab plan` and `fab doctor`. As JSON; its shape is `Ahead` of raab.deploy.plan.facts. `problem` is why a
    start would fail, and `hint` what to do about it."""
    found: dict[str, Any] = {}
    try:
        wanted = twin.now(paths)
        told = {name: value for name, value in wanted.environment.items() if _TOLD.fullmatch(name)}
        found = {"pending": pending(paths, wanted), "variables": told}
        _, why = inquiry.run(wanted.lines, check(paths))
        if why:
            message, _, hint = why.rpartition("\nhint: ")
            raise RaabError(message or hint, hint if message else "")
        reboot(paths)
    except RaabError as error:
        found.update(problem=shown(error.message), hint=shown(error.hint))
    return found


def pending(paths: Paths, wanted: Now) -> Pending:
    """Nothing is pending where nothing runs."""
    held, folder = processes.environment(systemd.main_pid(paths.unit)), credentials.contents(paths.credentials)
    if not held:
        return Pending()
    return Pending(
        tuple(variables.changed(held, wanted.environment, wanted.made)),
        tuple(credentials.changed(folder, wanted.credentials)) if folder is not None else (),
        tuple(directives.since_the_start(paths)),
        tuple(sorted(wanted.credentials)) if folder is None else (),
    )


def reboot(paths: Paths) -> None:
    """Raises RaabError when a reboot would not even try to start the service."""
    state = systemd.show(paths.unit, "UnitFileState").get("UnitFileState", "")
    if state not in _STARTED:
        raise RaabError(f"{paths.unit}: a reboot would not start it, got UnitFileState={state}", f"systemctl enable {paths.name}")


def shown(text: str) -> str:
    """Fit for a terminal: code of the application's had a part in it."""
    return "\n".join(plain(line, 2000) for line in text.split("\n"))
