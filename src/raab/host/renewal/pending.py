"""What the running service has not as a start would have it, in words. Pure: plans say it, too."""

from __future__ import annotations

from collections.abc import Iterator

from raab.protocol.facts import Pending


def lines(pending: Pending, taker: str) -> Iterator[str]:
    """For people; `taker` is what takes up all but that for which it takes a start."""
    for kind, names in (("variables", pending.variables), ("credentials", pending.credentials)):
        if names:
            yield f"changed {kind}, which {taker} takes up: {', '.join(names)}"
    yield from later(pending)


def later(pending: Pending) -> Iterator[str]:
    """What no reload takes up."""
    for kind, names in (("directives", pending.directives), ("credentials", pending.first_credentials)):
        if names:
            yield f"changed {kind}, which take effect at the next restart: {', '.join(names)}"
