"""What the running service has not as a start would have it, in words. Pure: plans say it, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Pending(NamedTuple):
    """Names. A reload takes up variables and credentials; directives, and `first_credentials` of a service that was started without any,
    only a start does, since it alone can make their folder."""

    variables: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    first_credentials: tuple[str, ...] = ()

    @property
    def by_reload(self) -> bool:
        return bool(self.variables or self.credentials)

    @property
    def by_start(self) -> bool:
        return bool(self.directives or self.first_credentials)


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
