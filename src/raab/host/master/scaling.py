"""Changing the number of workers."""

from __future__ import annotations

import re
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host.master.control import ask
from raab.host.paths import Paths

# A worker has its load_timeout to come up, which the settings may put at minutes.
_PATIENCE = 600.0


def scale(paths: Paths, count: str, seconds: float = _PATIENCE) -> str:
    """To N, or by +N or -N, and wait until that many serve, for so many seconds; a line that says so.

    Raises RaabError, exit code 2, beyond the bounds or for what is not a number.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,4}", count, re.ASCII):
        raise RaabError(f"scale: not a number of workers, got {count!r}", "give N, +N or -N", exitcodes.BAD_INPUT)
    wish: dict[str, Any] = {"by": int(count)} if count[0] in "+-" else {"to": int(count)}
    answer = ask(paths, seconds, patient=True, verb="scale", **wish)
    return f"workers: {answer['before']} -> {answer['after']}"
