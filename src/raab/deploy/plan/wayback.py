"""Where a rollback goes: to one release for all chosen hosts, the last that served on each of them before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from raab.deploy.plan.facts import HostFacts


class Way(NamedTuple):
    """What a host serves, and the kept releases that served before it, oldest first."""

    current: str | None
    earlier: Sequence[str]

    @classmethod
    def of(cls, facts: HostFacts, after: str = "") -> Way:
        """A host's way back from what serves there; or from `after`, when that serves."""
        chain = [release for release in facts.served if facts.release(release)]
        if after:
            return cls(after, [release for release in chain if release != after])
        return cls(facts.current, chain[: chain.index(facts.current)] if facts.current in chain else chain)


def target(ways: Mapping[str, Way]) -> str:
    """The newest release that each host has served before, or serves while another one has gone on; empty where there is none.

    Where hosts have had two in different orders, the first host's counts.
    """
    if not ways:
        return ""
    first = next(iter(ways.values()))
    shared = set.intersection(*({*way.earlier, *filter(None, [way.current])} for way in ways.values()))
    newest_first = [*filter(None, [first.current]), *reversed(first.earlier)]
    return next((one for one in newest_first if one in shared and any(way.current != one for way in ways.values())), "")


def told(ways: Mapping[str, Way], then: bool = False) -> str:
    """Where a rollback goes, in a line for people; `then`: after what is planned. Empty where nothing serves."""
    if not any(way.current for way in ways.values()):
        return ""
    found = target(ways)
    return f"a rollback {'then ' if then else ''}{f'goes to {found}' if found else 'has nowhere to go'}"
