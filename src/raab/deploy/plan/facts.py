"""What a host told of itself, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from raab.deploy.bundle.platforms import Platform
from raab.host.address.taken import Taken
from raab.host.renewal.pending import Pending

# What a host says is checked as a stranger's word: names become arguments of commands here, numbers are printed and reckoned with.
Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")]
Commit = Annotated[str, Meta(pattern=r"\A[0-9a-f]{0,64}\Z")]
Words = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.+~_ -]{0,63}\Z|\A\Z")]
Count = Annotated[int, Meta(ge=0, le=1 << 60)]
Seconds = Annotated[float, Meta(ge=0, le=1e10)]


class InstalledRelease(Struct, frozen=True):
    """A release directory on a host; an incomplete one has nothing but its name. `project` is the name of the distribution that it is;
    `beside` are its processes and timers, each in a line."""

    id: Name
    complete: bool
    content: str
    version: str
    commit: Commit
    lock: str
    project: Words = ""
    beside: dict[Name, str] = field(default_factory=dict)
    secrets: tuple[Name, ...] = ()

    @property
    def dirty(self) -> bool:
        """Whether it was made of something else than its commit."""
        return self.id.endswith("-dirty")


class LockHolder(Struct, frozen=True):
    """Who holds a host's lock; `since` in seconds since the epoch."""

    who: str = "somebody"
    machine: str = "somewhere"
    what: str = "a deploy"
    since: Seconds = 0.0


class Ahead(Struct, frozen=True):
    """What the next start of what a host runs would come to: the answer of raab.host.renewal.ahead. Its `variables` are those of a start by
    which the addresses are told."""

    pending: Pending = Pending()
    variables: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    hint: str = ""


class HostFacts(Struct, frozen=True):
    """The answer of raab.host.session.facts. Sizes in bytes; `time` is the host's clock; `verdicts` the journal's last word on each,
    `served` the chain of what really served, `once` all that ever did, `drilled` what only drills have activated, `labels` the commits that
    releases were found to be since (raab.host.journal).

    `settings` is the host's own setting.yaml, `packaged` that of a release that was asked for; `variables` are those of the running service
    by which its addresses are told; `taken` where others listen, who are named only where that was asked for. `ahead` is asked for in a dry
    run alone. `damaged` is what is not as it was installed in the current release, `foreign` what the host has under the
    service's name and is not raab's; `secrets` are the names of those that it has. `chosen`: timers that run on one host alone run on
    this one.
    """

    python: Words
    implementation: Words
    libc: Words
    machine: Words
    system: str
    uid: Count
    time: Seconds
    disk_free: Count
    disk_total: Count
    inodes_free: Count
    systemd: Count
    executable: str = ""
    itself: str = ""
    releases: tuple[InstalledRelease, ...] = ()
    current: Name | None = None
    cache: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()
    units: dict[str, str] = field(default_factory=dict)
    user: bool = False
    foreign: tuple[str, ...] = ()
    chosen: bool = False
    damaged: tuple[str, ...] = ()
    verdicts: dict[str, str] = field(default_factory=dict)
    served: tuple[Name, ...] = ()
    once: tuple[Name, ...] = ()
    drilled: frozenset[Name] = frozenset()
    labels: dict[Name, Commit] = field(default_factory=dict)
    lock: LockHolder | None = None
    service: dict[str, str] = field(default_factory=dict)
    activating: bool = False
    secrets: frozenset[Name] = frozenset()
    settings: str = ""
    packaged: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    taken: tuple[Taken, ...] = ()
    ahead: Ahead | None = None

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
    """The facts out of their JSON form."""
    return msgspec.convert(told, type=HostFacts)
