"""`raab scale N|+N|-N`: change the number of workers, and wait until that many serve; `raab scale worker=N` that of another process."""

from __future__ import annotations

import argparse
import os

from raab import exitcodes
from raab.errors import RaabError
from raab.host.beside.scaling import scale as scale_process
from raab.host.master.scaling import scale
from raab.host.paths import Paths


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Print the number before and after. Raises RaabError, exit code 2, beyond the bounds or for what is not a number."""
    if "=" not in args.count:
        print(scale(paths, args.count))
        return 0
    if os.geteuid() != 0:
        raise RaabError("scale: only root may start and end processes", "use sudo", exitcodes.BAD_INPUT)
    print(scale_process(paths, args.count, lambda text: print(text, flush=True)))
    return 0
