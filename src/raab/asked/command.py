"""`raab`, and `python -m raab.host`, of a release or a checkout: root's commands, with those that only the release itself can answer."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from raab.host.command import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of the subcommand."""
    return cli.main(argv, answer)


def answer(args: argparse.Namespace) -> int:
    """Only the one that is asked for is imported."""
    return int(importlib.import_module(f"raab.asked.{args.verb}").run(args))
