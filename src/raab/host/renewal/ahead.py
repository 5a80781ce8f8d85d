"""What the next start of the service would come to, and what it would have that the running service has not."""

from __future__ import annotations

import re
from pathlib import Path

from raab.errors import RaabError
from raab.host import processes, systemd
from raab.host.address import addresses
from raab.host.master import answers
from raab.host.paths import Paths
from raab.host.renewal import credentials, directives, twin, variables
from raab.host.renewal.twin import Now
from raab.host.units import inquiry
from raab.plain import plain
from raab.protocol.facts import Ahead, Pending

# By which its addresses are told (raab.deploy.plan.addresses).
_TOLD = re.compile(r"RAAB_ENVIRONMENT|RAAB_SERVER__\w+")
# Of a unit that is to be started with the system (systemctl(1), is-enabled).
_STARTED = ("enabled", "linked", "static", "alias", "indirect", "generated")


def look(paths: Paths) -> Ahead:
    """For people who only look, by `fab plan` and `fab doctor`."""
    found = Ahead()
    try:
        wanted = twin.now(paths)
        told = {name: value for name, value in wanted.environment.items() if _TOLD.fullmatch(name)}
        found = Ahead(pending(paths, wanted), told)
        checked(paths, wanted)
    except RaabError as error:
        return found._replace(problem=shown(error.message), hint=shown(error.hint))
    return found


def checked(paths: Paths, wanted: Now) -> str:
    """What the current release's `raab check` says by what a start would get. Raises RaabError when that would fail, or come to nothing, by
    the release's word or by what root alone sees: who has its addresses, and whether a reboot would start it."""
    said = tried(wanted, paths.current, "check")
    try:
        settings = answers.settings(tried(wanted, paths.current, "settings"))
    except ValueError as error:
        raise RaabError(f"settings: the release does not say what they are, got {error}", f"{paths.typed} config") from error
    addresses.check(paths, settings.bind, settings.admin_port, settings.barred)
    reboot(paths)
    return said


def tried(wanted: Now, release: Path, verb: str) -> str:
    """What a release's `raab VERB` says when the service's user runs it with what a start would get. Raises RaabError with its reason."""
    said, why = inquiry.run(wanted.lines, f"{release}/venv/bin/python -I -m raab.host {verb}")
    if why:
        message, _, hint = shown(why).rpartition("\nhint: ")
        raise RaabError(message or hint, hint if message else "")
    return shown(said.decode(errors="replace"))


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
