"""`raab scale N|+N|-N`: change the number of workers, and wait until that many serve."""

from __future__ import annotations

import argparse
import re
from typing import Any

from raab.errors import RaabError
from raab.host.control import ask

# A worker has its load_timeout to come up, which the settings may put at minutes.
_PATIENCE = 600.0


def run(args: argparse.Namespace) -> int:
    """Print the number before and after. Raises RaabError, exit code 2, beyond the bounds or for what is not a number."""
    if not re.fullmatch(r"[+-]?[0-9]{1,4}", args.count, re.ASCII):
        raise RaabError(f"scale: not a number of workers, got {args.count!r}", "give N, +N or -N", 2)
    number = int(args.count)
    relative = args.count[0] in "+-"
    wish: dict[str, Any] = {"by": number} if relative else {"to": number}
    answer = ask(_PATIENCE, patient=True, verb="scale", **wish)
    print(f"workers: {answer['before']} -> {answer['after']}")
    return 0
