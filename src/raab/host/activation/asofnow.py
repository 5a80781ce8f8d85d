"""Commands and steps of an activation in the surroundings that a start of the service would have by now (raab.host.renewal), for root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raab.errors import RaabError
from raab.host import answers, inquiry
from raab.host.answers import Settings
from raab.host.paths import Paths
from raab.host.renewal import credentials, variables
from raab.host.renewal.ahead import pending, shown
from raab.host.renewal.pending import lines
from raab.host.renewal.twin import Now


def installed(paths: Paths) -> bool:
    """Whether this is root on a host where the service is systemd's."""
    return os.geteuid() == 0 and Path("/run/systemd/system").is_dir() and paths.current.is_symlink()


def run(paths: Paths, verb: str, wanted: Now) -> str:
    """What this release's `raab VERB` says when the service's user runs it with what a start would get.

    Raises RaabError with its reason.
    """
    said = tried(wanted, python(paths), verb)
    return "".join([said, *(f"{line}\n" for line in lines(pending(paths, wanted), f"systemctl reload {paths.name}"))])


def settings(paths: Paths, wanted: Now) -> Settings:
    """Those that a start would have. Raises RaabError for what is no answer."""
    said = tried(wanted, python(paths), "settings")
    try:
        return answers.settings(said)
    except ValueError as error:
        raise RaabError(f"settings: the release does not say what they are, got {error}", "raab config") from error


def python(paths: Paths) -> str:
    return str(paths.current / "venv/bin/python")


def check(wanted: Now, release: Path) -> None:
    """Raises RaabError when a start with what is `wanted` would fail, by that release's word."""
    tried(wanted, str(release / "venv/bin/python"), "check")


def tried(wanted: Now, python: str, verb: str) -> str:
    said, why = inquiry.run(wanted.lines, f"{python} -I -m raab.host {verb}")
    if why:
        message, _, hint = shown(why).rpartition("\nhint: ")
        raise RaabError(message or hint, hint if message else "")
    return shown(said.decode(errors="replace"))


@contextmanager
def given(paths: Paths, wanted: Now | None) -> Iterator[dict[str, Any]]:
    """The running service has the credentials of a start while it is asked for a reload, and keeps them if nothing is raised; the rest
    of the request says what else has changed."""
    if wanted is None:
        yield {}
        return
    held = variables.held(paths)
    with credentials.given(paths.credentials, wanted.credentials):
        more = variables.changed(held, wanted.environment, wanted.made)
        yield {"environment": variables.renewed(held, wanted.environment)} if more else {}
