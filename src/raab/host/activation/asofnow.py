"""Commands and steps of an activation in the surroundings that a start of the service would have by now (raab.host.renewal), for root."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raab.errors import RaabError
from raab.host import sandbox, systemd
from raab.host.paths import UNIT, Paths
from raab.host.renewal import credentials, twin, variables
from raab.host.renewal.reload import later
from raab.host.renewal.twin import Now
from raab.untrusted import plain


def installed() -> bool:
    """Whether this is root on a host where the service is systemd's."""
    return os.geteuid() == 0 and Path("/run/systemd/system").is_dir() and Paths().current.is_symlink()


def run(verb: str) -> str:
    """What this release's `raab VERB` says when the service's user runs it with what a start would get.

    Raises RaabError with its reason, or systemd's why there would be no start.
    """
    wanted = twin.now()
    said = tried(wanted, sys.executable, verb)
    return "".join([said, *(f"{line}\n" for line in (*pending(wanted), *later(wanted)))])


def settings() -> Any:
    """Those that a start would have; None when root cannot read them by itself, as with a credential that is encrypted."""
    # Here and not above: who activates has other things to do first, and this takes a tenth of a second.
    from raab.factory.configFactory import load_settings
    from raab.settings.node import ConfigError

    paths = Paths()
    environment = {**sandbox.settings_environment(paths, paths.current.resolve()), **twin.now().environment}
    try:
        return load_settings(environment, paths.configuration)
    except ConfigError:
        return None


def check(wanted: Now, release: Path) -> None:
    """Raises RaabError when a start with what is `wanted` would fail, by that release's word."""
    tried(wanted, str(release / "venv/bin/python"), "check")


def tried(wanted: Now, python: str, verb: str) -> str:
    said, why = twin.run(wanted.lines, f"{python} -I -m raab.host {verb}")
    if why:
        message, _, hint = shown(why).rpartition("\nhint: ")
        raise RaabError(message or hint, hint if message else "")
    return shown(said.decode(errors="replace"))


def shown(text: str) -> str:
    """Fit for root's terminal: code of the application's had a part in it."""
    return "\n".join(plain(line, 2000) for line in text.split("\n"))


def pending(wanted: Now) -> list[str]:
    """What the running service has not as a start would have it, in lines for people."""
    pid, folder = systemd.main_pid(), credentials.contents()
    if not pid:
        return []
    changed = {
        "variables": variables.changed(variables.of_process(pid), wanted.environment),
        "credentials": credentials.changed(folder, wanted.credentials) if folder is not None else [],
    }
    return [f"changed {kind}, which systemctl reload raab takes up: {', '.join(names)}" for kind, names in changed.items() if names]


def reboot() -> None:
    """Raises RaabError when a reboot would not even try to start the service."""
    state = systemd.show(UNIT, "UnitFileState").get("UnitFileState", "")
    if state not in ("enabled", "linked", "static", "alias", "indirect", "generated"):
        raise RaabError(f"{UNIT}: a reboot would not start it, got UnitFileState={state}", f"systemctl enable {UNIT.partition('.')[0]}")


@contextmanager
def given(wanted: Now | None) -> Iterator[dict[str, Any]]:
    """The running service has the credentials of a start while it is asked for a reload, and keeps them if nothing is raised; the rest
    of the request says what else has changed."""
    if wanted is None:
        yield {}
        return
    held = variables.of_process(systemd.main_pid())
    with credentials.given(wanted.credentials):
        more = variables.changed(held, wanted.environment)
        yield {"environment": variables.renewed(held, wanted.environment)} if more else {}
