"""What a host is and has, as it tells it to whoever plans (raab.protocol.answers). Standard library only, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from raab.protocol.fields import NONE, Commit, Count, Name, Seconds, Words


class InstalledRelease(NamedTuple):
    """A release directory on a host; an incomplete one has nothing but its name. `project` is the name of the distribution that it is;
    `beside` are its processes and timers, each in a line, `migrations` those of its database, `edge` what the edge is told, in a line."""

    id: Name
    complete: bool
    content: str
    version: str
    commit: Commit
    lock: str
    project: Words = ""
    beside: Mapping[Name, str] = NONE
    secrets: tuple[Name, ...] = ()
    migrations: tuple[Name, ...] = ()
    edge: str = ""

    @property
    def dirty(self) -> bool:
        """Whether it was made of something else than its commit."""
        return self.id.endswith("-dirty")


class LockHolder(NamedTuple):
    """Who holds a host's lock; `since` in seconds since the epoch."""

    who: str = "somebody"
    machine: str = "somewhere"
    what: str = "a deploy"
    since: Seconds = 0.0


class Taken(NamedTuple):
    """An address at which somebody else listens, as in Address (raab.host.address.taken). `both`: for [::], connections by IPv4 are its
    own, too. `holder` is for people."""

    version: int
    host: str
    port: int
    both: bool
    holder: str


class Pending(NamedTuple):
    """What the running service has not as a start would have it, by names. A reload takes up variables and credentials; directives, and
    `first_credentials` of a service that was started without any, only a start does, since it alone can make their folder."""

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


class Ahead(NamedTuple):
    """What the next start of what a host runs would come to. Its `variables` are those of a start by which the addresses are told;
    `problem` is why it would fail, and `hint` what to do about it."""

    pending: Pending = Pending()
    variables: Mapping[str, str] = NONE
    problem: str = ""
    hint: str = ""


class Fronted(NamedTuple):
    """What the host's edge does for a service on other hosts: as told of which release, for whom, with whom in the pool. `kept` are all
    releases of which it was told, `weights` how many requests each of the pool gets, where that is not the same."""

    release: Name
    domains: tuple[str, ...]
    upstreams: tuple[str, ...]
    kept: tuple[Name, ...]
    weights: tuple[Count, ...] = ()


class HostFacts(NamedTuple):
    """What a host is and has. Sizes in bytes; `inodes_free` is None where the file system counts none; `time` is the host's clock;
    `verdicts` the journal's last word on each, `served` the chain of what really served, `once` all that ever did, `drilled` what only
    drills have activated, `labels` the commits that releases were found to be since, `migrated` the releases that the database was migrated
    by, the last one last (raab.host.journal).

    `settings` is the host's own setting.yaml, `packaged` that of a release that was asked for; `variables` are those of the running service
    by which its addresses are told; `taken` where others listen, who are named only where that was asked for. `ahead` is asked for in a dry
    run alone, by itself. `damaged` is what is not as it was installed in the current release, `foreign` what the host has under the
    service's name and is not raab's; `secrets` are the names of those that it has. `chosen`: timers that run on one host alone run on
    this one. `front` is what its edge does for other hosts. `maintenance`: its edge gives everybody a page
    in the place of the service. `program` is the version of one that was asked for, as it says itself.
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
    inodes_free: Count | None
    systemd: Count
    executable: str = ""
    itself: str = ""
    releases: tuple[InstalledRelease, ...] = ()
    current: Name | None = None
    cache: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()
    units: Mapping[str, str] = NONE
    user: bool = False
    foreign: tuple[str, ...] = ()
    chosen: bool = False
    damaged: tuple[str, ...] = ()
    verdicts: Mapping[str, str] = NONE
    served: tuple[Name, ...] = ()
    once: tuple[Name, ...] = ()
    drilled: frozenset[Name] = frozenset()
    labels: Mapping[Name, Commit] = NONE
    migrated: tuple[Name, ...] = ()
    lock: LockHolder | None = None
    service: Mapping[str, str] = NONE
    activating: bool = False
    secrets: frozenset[Name] = frozenset()
    settings: str = ""
    packaged: str = ""
    variables: Mapping[str, str] = NONE
    taken: tuple[Taken, ...] = ()
    ahead: Ahead | None = None
    front: Fronted | None = None
    maintenance: bool = False
    program: str = ""
