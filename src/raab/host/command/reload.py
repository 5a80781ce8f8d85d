"""`raab reload`: trial, hand-over, verdict."""

from __future__ import annotations

import argparse

from raab.host.activation import asofnow
from raab.host.paths import Paths
from raab.host.renewal.reload import hand_over, reload


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Return 0 only when a new generation of this release serves. Raises RaabError with the reason otherwise.

    For root as `systemctl reload raab`; nobody else knows what a start would get.
    """
    print(reload(paths) if asofnow.installed(paths) else hand_over(paths))
    return 0
