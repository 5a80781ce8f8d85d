"""`raab reload`, which is the unit's ExecReload: trial, hand-over, verdict."""

from __future__ import annotations

import argparse

from raab.errors import RaabError
from raab.host.control import ask
from raab.host.conversation import PATIENCE


def run(args: argparse.Namespace) -> int:
    """Return 0 only when a new generation of this release serves. Raises RaabError with the reason otherwise.

    The master does all of it, the trial too: systemd 252 does not give credentials to a unit's ExecReload=.
    """
    verdict = ask(PATIENCE, verb="reload", trial=True)
    if not verdict["good"]:
        reason, _, hint = verdict["reason"].partition("\nhint: ")
        raise RaabError(f"reload: refused, the old workers serve on, got {reason}", hint or "repair it, then reload again")
    how = "by a new master" if verdict["replaced"] else "by new workers"
    print(f"generation {verdict['generation']} serves after {verdict['seconds']:.2f} s, {how}")
    return 0
