"""What a host told of itself, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raab.deploy.bundle.platforms import Platform
from raab.protocol import facts as protocol
from raab.protocol.facts import InstalledRelease
from raab.protocol.reading import read


class HostFacts(protocol.HostFacts):
    """The answer to `facts`, with what plans make of it."""

    __slots__ = ()

    @property
    def platform(self) -> Platform:
        return Platform(self.python, self.implementation, self.libc, self.machine)

    @property
    def running(self) -> InstalledRelease | None:
        """The current release when it is complete, proved and the service active: what a deploy of the same may leave alone."""
        release = self.release(self.current)
        proved = release is not None and self.verdicts.get(release.id) == "serving"
        return release if proved and self.service.get("ActiveState") == "active" and not self.activating else None

    def release(self, release_id: str | None) -> InstalledRelease | None:
        return next((release for release in self.releases if release.id == release_id and release.complete), None)

    @property
    def project(self) -> str:
        """Whose service it is: the name of the distribution that serves, or served last; empty where none says."""
        known = (self.release(self.current), *reversed(self.releases))
        return next((release.project for release in known if release and release.project), "")

    def commit(self, release: InstalledRelease) -> str:
        """The commit of a release's content, as far as it is known: one may have been made after it."""
        return self.labels.get(release.id, release.commit)

    def label(self, release_id: str | None) -> str:
        """What every listing says of a release whose commit came after it; empty for others."""
        commit = self.labels.get(release_id or "", "")
        return f"same content, now commit {commit[:7]}" if commit else ""

    def with_content(self, content: str) -> InstalledRelease | None:
        return next((release for release in self.releases if release.complete and release.content == content), None)


def one_machine(facts: Mapping[str, HostFacts]) -> dict[str, str]:
    """Hosts that are another one under a second name, and that one's: a deploy to both would wait for itself."""
    first: dict[str, str] = {}
    return {name: known for name, host in facts.items() if host.itself and (known := first.setdefault(host.itself, name)) != name}


def parse(told: Any) -> HostFacts:
    """The facts out of their JSON form. Raises ValueError."""
    return of(read(protocol.HostFacts, told, "facts"))


def of(told: protocol.HostFacts) -> HostFacts:
    return HostFacts(*told)
