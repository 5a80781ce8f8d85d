"""Ids for requests that bring none: unique over workers and restarts without asking for randomness at each request."""

from __future__ import annotations

import itertools
import os

_prefix = ""
_count = itertools.count(1)


def new_id() -> str:
    return f"{_prefix}{next(_count):08x}"


def _begin() -> None:
    """In each process: workers may be forks of one that has loaded all of this."""
    global _prefix
    _prefix = os.urandom(6).hex()


_begin()
os.register_at_fork(after_in_child=_begin)
