"""What the next start of the service would come to, and what it would have that the running service has not."""

from __future__ import annotations

import re
from typing import Any

from raab.errors import RaabError
from raab.host import inquiry, processes, systemd
from raab.host.paths import UNIT
from raab.host.renewal import credentials, directives, twin, variables
from raab.host.renewal.pending import Pending
from raab.host.renewal.twin import Now
from raab.plain import plain

# By the release's own code, as the service's user.
CHECK = "/opt/raab/current/venv/bin/python -I -m raab.host check"
# By which its addresses are told (raab.deploy.plan.addresses).
_TOLD = re.compile(r"RAAB_ENVIRONMENT|RAAB_SERVER__\w+")
# Of a unit that is to be started with the system (systemctl(1), is-enabled).
_STARTED = ("enabled", "linked", "static", "alias", "indirect", "generated")


def look() -> dict[str, Any]:
    """For people who only look, by `fab plan` and `fab doctor`. As JSON; its shape is `Ahead` of raab.deploy.plan.facts. `problem` is why a
    start would fail, and `hint` what to do about it."""
    found: dict[str, Any] = {}
    try:
        wanted = twin.now()
        told = {name: value for name, value in wanted.environment.items() if _TOLD.fullmatch(name)}
        found = {"pending": pending(wanted), "variables": told}
        _, why = inquiry.run(wanted.lines, CHECK)
        if why:
            message, _, hint = why.rpartition("\nhint: ")
            raise RaabError(message or hint, hint if message else "")
        reboot()
    except RaabError as error:
        found.update(problem=shown(error.message), hint=shown(error.hint))
    return found


def pending(wanted: Now) -> Pending:
    """Nothing is pending where nothing runs."""
    held, folder = processes.environment(systemd.main_pid()), credentials.contents()
    if not held:
        return Pending()
    return Pending(
        tuple(variables.changed(held, wanted.environment)),
        tuple(credentials.changed(folder, wanted.credentials)) if folder is not None else (),
        tuple(directives.since_the_start()),
        tuple(sorted(wanted.credentials)) if folder is None else (),
    )


def reboot() -> None:
    """Raises RaabError when a reboot would not even try to start the service."""
    state = systemd.show(UNIT, "UnitFileState").get("UnitFileState", "")
    if state not in _STARTED:
        raise RaabError(f"{UNIT}: a reboot would not start it, got UnitFileState={state}", f"systemctl enable {UNIT.partition('.')[0]}")


def shown(text: str) -> str:
    """Fit for a terminal: code of the application's had a part in it."""
    return "\n".join(plain(line, 2000) for line in text.split("\n"))
