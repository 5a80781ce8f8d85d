"""`raab shell`: that of the project's framework."""

from __future__ import annotations

import argparse

from raab.host.command.run import at_this_terminal
from raab.host.paths import Paths


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Its exit code."""
    return at_this_terminal(paths, ())
