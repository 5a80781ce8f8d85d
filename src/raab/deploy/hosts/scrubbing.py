"""What hosts say, as a terminal can be given it. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from raab.plain import plain

# Texts of several lines; every other text of a host's is one.
PARAGRAPHS = ("message", "hint", "reason", "trouble", "output", "problem")
# Files, whose lines are compared and parsed.
DOCUMENTS = ("texts", "settings", "packaged")
LETTERS = 20_000


def scrubbed(told: Any, name: str = "") -> Any:
    """The same, decoded from JSON, with every text as a terminal can be given it (raab.plain).

    Where a text may have several lines, those after the first are indented, so that none passes for a line of raab's.
    """
    if isinstance(told, str):
        if name in PARAGRAPHS:
            return "\n    ".join(plain(line, LETTERS) for line in told.splitlines())
        return "\n".join(plain(line, LETTERS) for line in told.split("\n")) if name in DOCUMENTS else plain(told, LETTERS)
    if isinstance(told, dict):
        return {plain(key, LETTERS): scrubbed(value, name if name in DOCUMENTS else key) for key, value in told.items()}
    if isinstance(told, list):
        return [scrubbed(value, name) for value in told]
    return told


def decode(line: bytes) -> Any:
    """A line as JSON, scrubbed. Raises ValueError, RecursionError."""
    return scrubbed(msgspec.json.decode(line))
