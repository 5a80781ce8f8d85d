"""What others have written, as a terminal can be given it. Standard library only, and pure."""

from __future__ import annotations


def plain(text: str, limit: int = 200) -> str:
    """A text that a terminal can be given: one line of at most `limit` letters, in which whatever does not show, or shows elsewhere than it
    stands, is an escape: control characters, line ends, marks that turn the direction of writing, halves of letters."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text[:limit])


def last_words(said: str) -> str:
    """What a program said as it ended, without the frames of what Python raised: those are for who can look at its code."""
    _, raised, last = said.rpartition("Traceback (most recent call last):\n")
    return "\n".join(line for line in last.splitlines() if not (raised and line.startswith(" "))).strip()
