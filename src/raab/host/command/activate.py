"""`raab activate ID`: make a release the current one, proved by answers, or leave the host as it was.

Runs on the host as a unit of its own, apart from the deployer's connection.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

from raab import exitcodes
from raab.errors import RaabError
from raab.host.activation.held import Asked
from raab.host.activation.task import Task, Teller
from raab.host.paths import RELEASE_ID, Paths


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Entry of the `raab` command; exit code 0 when the release serves, 4 when it does not."""
    release: str = args.release
    if os.geteuid() != 0:
        raise RaabError("activate: only root may switch releases", "use sudo", exit_code=2)
    if not RELEASE_ID.match(release) or not paths.manifest(release).exists():
        raise RaabError(f"activate: no such release on this host, got {release}", f"see `ls {paths.releases}`", exit_code=2)
    try:
        task = Task.read(paths, release)
    except RaabError as error:
        # Who has started it waits for a verdict.
        Teller(paths).verdict({"ok": False, "release": release, "switched": False, "reason": error.message, "hint": error.hint})
        return exitcodes.REFUSED
    asked = None
    # First of all, for it is loaded while the rest is imported here; but not before a hook that is to come first, nor by who is to end.
    if task.before is None and not task.restart:
        with suppress(RaabError):
            asked = Asked(paths, release)
    from raab.host.activation.activation import Activation

    return Activation(paths, task, asked).run()
