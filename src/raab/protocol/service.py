"""What a host tells of a service: how it runs, what it has been, what is wrong with it (raab.protocol.answers). Standard library only, and
pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from raab.protocol.edge import Upstream
from raab.protocol.fields import NONE, Count, Name, Seconds


class Stray(NamedTuple):
    """A process of the service that is nobody's."""

    pid: Count
    name: str


class Own(NamedTuple):
    """What the service says of itself; nothing of it when it says nothing, no `strays` from a release that does not look for them. `bind`
    are the addresses at which it listens."""

    generation: Count | None = None
    target: Count | None = None
    serving: Count | None = None
    strays: tuple[Stray, ...] | None = None
    bind: tuple[str, ...] = ()

    @property
    def said(self) -> bool:
        return self.serving is not None


class ProcessRow(NamedTuple):
    """An instance; `seconds` is how long it has been up, `state` systemd's word."""

    name: Name
    process: Name
    state: str
    release: str
    pid: Count
    seconds: Seconds
    restarts: Count


class TimerRow(NamedTuple):
    """A timer. `next` and `last` are seconds since the epoch, of a run to come and of the last, by whomever it was begun; 0 where there is
    none.
    `code` is the exit code of the last run that has ended, None where there was none since the host's start."""

    name: Name
    state: str
    release: str
    next: Seconds
    last: Seconds
    code: Count | None


class DomainRow(NamedTuple):
    """A domain, and since and until when its certificate is good, in seconds since the epoch; 0 where there is none."""

    domain: str
    since: Seconds = 0.0
    until: Seconds = 0.0


class PoolRow(NamedTuple):
    """Where a service on another host answers, and what it says there of being ready: as the edge asks it."""

    address: Upstream
    ready: bool
    why: str = ""


class EdgeRow(NamedTuple):
    """What the host's edge does for the service; `state` is systemd's word. `pool` is of an edge for other hosts.
    `maintenance`: everybody gets a page in the place of the service."""

    state: str
    domains: tuple[DomainRow, ...]
    pool: tuple[PoolRow, ...] = ()
    maintenance: bool = False


class ServiceStatus(NamedTuple):
    """`drained`: /readyz says 503, so that load balancers go."""

    state: str
    release: Name | None = None
    version: str | None = None
    raab: Own = Own()
    drained: bool = False
    processes: tuple[ProcessRow, ...] = ()
    timers: tuple[TimerRow, ...] = ()
    counts: Mapping[Name, Count] = NONE
    edge: EdgeRow | None = None


class Traffic(NamedTuple):
    """What the service's workers have counted of their clients' requests, who only asks for health excepted, since the host began to
    count: `errors` with a 5xx status, `buckets` by how long they took (raab.metrics.layout). `at` is the moment, in seconds of a clock of
    the host's that nobody sets."""

    at: Seconds
    errors: Count
    buckets: tuple[Count, ...]


class Entry(NamedTuple):
    """A line of a host's journal; `time` in seconds since the epoch."""

    time: Seconds = 0.0
    release: str = ""
    before: str | None = None
    action: str = ""
    verdict: str = ""
    who: str = ""
    machine: str = ""
    version: str = ""
    commit: str = ""
    seconds: Seconds = 0.0
    reason: str = ""
    drill: bool = False


class Place(NamedTuple):
    """A file system that is written to, by the first of its folders that counts. Sizes in bytes; `inodes` is 0 where nobody
    counts them."""

    path: str
    writable: bool
    free: Count
    total: Count
    inodes_free: Count
    inodes: Count


class Interpreter(NamedTuple):
    """What a release's Python is in truth, whether it is there, the package that it is of, and whether apt would remove that by itself."""

    path: str
    there: bool
    package: str = ""
    leaving: bool = False


class Examined(NamedTuple):
    """What a closer look found: changed files, the release's units with their SHA-256, what the service says, why it says nothing, and what
    is not as it was installed of root's own program. Then what will hurt next: places that are written to, whether the host is drained,
    unit files that no release has, the release's Python, and what is wrong with what a rollback may go to."""

    drift: tuple[str, ...]
    units: Mapping[str, str]
    raab: Own = Own()
    trouble: str = ""
    program: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    drained: bool = False
    left: tuple[str, ...] = ()
    interpreter: Interpreter | None = None
    kept: tuple[str, ...] = ()
    processes: tuple[ProcessRow, ...] = ()
    timers: tuple[TimerRow, ...] = ()
    counts: Mapping[Name, Count] = NONE
    edge: EdgeRow | None = None


class Stored(NamedTuple):
    """A secret on a host; `changed` in seconds since the epoch."""

    name: Name
    encrypted: bool
    changed: Seconds
