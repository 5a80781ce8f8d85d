"""`raab scale N|+N|-N`: change the number of workers, and wait until that many serve."""

from __future__ import annotations

import argparse

from raab.host.master.scaling import scale
from raab.host.paths import Paths


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Print the number before and after. Raises RaabError, exit code 2, beyond the bounds or for what is not a number."""
    print(scale(paths, args.count))
    return 0
