"""`raab`, and `python -m raab.host`, of a release or a checkout: root's commands, with those that only the release itself can answer; and
`raab init`, where raab is installed for a developer. On a host, `raab` is root's own program."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence

from raab.host.command import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of the subcommand."""
    words = sys.argv[1:] if argv is None else argv
    # A release has nothing of it.
    if words[:1] == ["init"] and importlib.util.find_spec("raab.init"):
        from raab.init.command import main as init

        return init(words[1:])
    return cli.main(argv, answer)


def answer(args: argparse.Namespace) -> int:
    """Only the one that is asked for is imported."""
    return int(importlib.import_module(f"raab.asked.{args.verb}").run(args))
