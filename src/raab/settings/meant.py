"""The hint for a name that nobody knows: the one that was meant, where it is close to a known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """The question whether it was the closest of `known`; `otherwise` where none is close."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
