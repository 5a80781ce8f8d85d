"""`raab check`, `config`, `settings` and `trial`: what only a release can answer."""

from __future__ import annotations

import argparse
import os

from raab.errors import RaabError
from raab.host.activation import asofnow
from raab.host.command.cli import Answer
from raab.host.paths import Paths
from raab.host.renewal import twin
from raab.host.renewal.ahead import checked, pending, tried
from raab.host.renewal.pending import lines


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
    print(checked(paths, wanted) if verb == "check" else tried(wanted, paths.current, verb), end="")
    for line in lines(pending(paths, wanted), f"systemctl reload {paths.name}"):
        print(line)
    return 0
