"""What a host served before an activation: what a failed one has to leave as it was. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from raab.host.activation import switch
from raab.host.paths import RELEASE_ID, Paths
from raab.host.releases import current_release


class Before(NamedTuple):
    """`release` is the kept, complete release that served, or that a start would have served; None where it was another thing, or nothing.

    `link` is the text of `current`, None where there was none. `active` and `enabled` are the unit's states, `generation` is the one that
    served, by the word of the process that systemd calls the service's main one.
    """

    release: str | None
    link: str | None
    active: bool
    enabled: bool
    generation: int | None

    def serves_still(self, told: Mapping[str, Any]) -> bool:
        """Whether, by what the master tells now, no other generation has taken over since."""
        return self.generation is not None and told.get("generation") == self.generation


def look(paths: Paths, told: Mapping[str, Any], active: bool, enabled: bool) -> Before:
    """`told` is the running master's word, empty where none gives it. It counts more than the link, which somebody may have moved."""
    linked = current_release(paths)
    named = told.get("release") if told else linked
    release = named if isinstance(named, str) and kept(paths, named) else None
    if release == linked and not told and release and paths.current.resolve() != paths.release(release).resolve():
        # The link leads to a folder of that name elsewhere.
        release = None
    return Before(release, switch.text(paths), active, enabled, told.get("generation"))


def kept(paths: Paths, release: str) -> bool:
    """Whether it is a release of this host, and complete."""
    return RELEASE_ID.match(release) is not None and paths.manifest(release).exists()
