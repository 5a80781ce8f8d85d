"""`raab load`: the first half of a trial, for what has to come before the second: a database that is not migrated yet."""

from __future__ import annotations

import argparse

from raab.asked import trial


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the release can be imported, whether it is ready or not; else a RaabError with the reason."""
    _, how = trial.load()
    print(how)
    return 0
