"""`raab check`, `config`, `settings` and `trial`: what only a release can answer."""

from __future__ import annotations

import argparse
import os

from raab.errors import RaabError
from raab.host import addresses
from raab.host.activation import asofnow
from raab.host.command.cli import Answer
from raab.host.paths import Paths
from raab.host.renewal import twin
from raab.host.renewal.ahead import reboot


def run(paths: Paths, args: argparse.Namespace, own: Answer | None) -> int:
    """For root on a server by what a start would get by now, as the service's user and in its sandbox; for everybody else by the variables
    of his shell and with his rights. Raises RaabError with the release's reason when it says no."""
    if asofnow.installed(paths):
        return in_the_sandbox(paths, args.verb)
    if own:
        return own(args)
    python = str(paths.current / "venv/bin/python")
    if os.geteuid() == 0 or not os.access(python, os.X_OK):
        raise RaabError(f"{args.verb}: no release is current on this host, got {paths.current}", "fab deploy")
    # His own rights are all that it gets.
    return os.execv(python, (python, "-I", "-m", "raab.host", args.verb))


def in_the_sandbox(paths: Paths, verb: str) -> int:
    wanted = twin.now(paths)
    said = asofnow.run(paths, verb, wanted)
    if verb == "check":
        # From within the service's sandbox nobody sees who holds an address.
        settings = asofnow.settings(paths, wanted)
        addresses.check(paths, settings.bind, settings.admin_port)
        reboot(paths)
    print(said, end="")
    return 0
