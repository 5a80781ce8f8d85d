"""What a host may answer, and tell before it does: a type for each. Standard library only, and pure.

A deployer reads it as a stranger's word: names become arguments of commands there, numbers are printed and reckoned with.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from raab.protocol.values import Word, between, matching

Name = Annotated[str, matching("a name", "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")]
Commit = Annotated[str, matching("a commit, or none", "[0-9a-f]{0,64}")]
Words = Annotated[str, matching("plain words, or none", "([A-Za-z0-9][A-Za-z0-9.+~_ -]{0,63})?")]
Count = Annotated[int, between(0, 1 << 60)]
# As far as calendars go, be it a span or a time since the epoch.
Seconds = Annotated[float, between(0, 253_402_300_800)]
NONE: Mapping[str, Any] = MappingProxyType({})


class Step(NamedTuple):
    """What begins now, `at` so many seconds after the beginning of all of it."""

    text: str
    at: Seconds = 0.0


class Line(NamedTuple):
    """One that somebody else has printed."""

    text: str


class Begun(NamedTuple):
    """A command is under way: from now on it takes what is typed."""


class Said(NamedTuple):
    """What a command has printed to standard output (1) or errors (2), as base64."""

    stream: Annotated[int, between(1, 2)]
    data: Annotated[str, matching("base64", "[A-Za-z0-9+/=]*")]


class Refused(NamedTuple):
    """It was not done, and why. `code` is the exit code for it."""

    message: str = ""
    hint: str = ""
    code: int = 1


class Lacking(NamedTuple):
    """The host lacks the program that this is a conversation with (raab.host.session.first)."""


class Ran(NamedTuple):
    """The exit code of a command; or the unit that it is now, by itself."""

    code: Annotated[int, between(0, 255)]
    unit: Annotated[str, matching("the unit of a command, or none", r"([a-z][a-z0-9-]*@[a-z0-9-]+\.service)?")] = ""


class Timed(NamedTuple):
    """How long it took."""

    seconds: Seconds


class Nothing(NamedTuple):
    """Done, and no more to say."""


class InstalledRelease(NamedTuple):
    """A release directory on a host; an incomplete one has nothing but its name. `project` is the name of the distribution that it is;
    `beside` are its processes and timers, each in a line, `migrations` those of its database."""

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


class HostFacts(NamedTuple):
    """What a host is and has. Sizes in bytes; `inodes_free` is None where the file system counts none; `time` is the host's clock;
    `verdicts` the journal's last word on each, `served` the chain of what really served, `once` all that ever did, `drilled` what only
    drills have activated, `labels` the commits that releases were found to be since, `migrated` the releases that the database was migrated
    by, the last one last (raab.host.journal).

    `settings` is the host's own setting.yaml, `packaged` that of a release that was asked for; `variables` are those of the running service
    by which its addresses are told; `taken` where others listen, who are named only where that was asked for. `ahead` is asked for in a dry
    run alone, by itself. `damaged` is what is not as it was installed in the current release, `foreign` what the host has under the
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


class Facts(NamedTuple):
    facts: HostFacts


class Outlook(NamedTuple):
    """None where a host knows nothing of it."""

    ahead: Ahead | None


class Texts(NamedTuple):
    """Lock and packaged settings of the running release, by the names of their files."""

    texts: Mapping[str, str]


class Staged(NamedTuple):
    """How many bytes came, how long that took, and how long all of it."""

    bytes: Count
    receive_seconds: Seconds
    seconds: Seconds


class Probe(NamedTuple):
    """What became of a host's own requests across the switch: how many, how many failed and the first reason, the slowest in seconds."""

    sent: Count = 0
    failed: Count = 0
    slowest: Seconds = 0.0
    reason: str = ""


class Verdict(NamedTuple):
    """How an activation ended. `started` is false for one that never began, `reverted` true where what served `before` serves, `switched`
    false where the host is known to have stayed on it. `serves` is the service's own word at the end, if it was `asked`: None where it does
    not run."""

    ok: bool
    started: bool = True
    reverted: bool = False
    switched: bool = True
    before: Name | None = None
    serves: Word | None = None
    asked: bool = False
    reason: str = ""
    hint: str = ""
    seconds: Seconds = 0.0
    probe: Probe = Probe()
    strays: tuple[str, ...] = ()


class Activated(NamedTuple):
    verdict: Verdict


class Workers(NamedTuple):
    """Of a host's newest generation of workers: how many have died, and how many requests they have answered, and how many of these with an
    error: a 5xx status, or an answer that was cut by the application."""

    died: Count
    requests: Count
    errors: Count


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


class Status(NamedTuple):
    status: ServiceStatus


class Acted(NamedTuple):
    """What the service's own command printed."""

    output: str
    seconds: Seconds


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


class History(NamedTuple):
    entries: tuple[Entry, ...]


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


class Stored(NamedTuple):
    """A secret on a host; `changed` in seconds since the epoch."""

    name: Name
    encrypted: bool
    changed: Seconds


class Secrets(NamedTuple):
    secrets: tuple[Stored, ...]


class SecretSet(NamedTuple):
    """Whether the host has it encrypted."""

    encrypted: bool


class Removed(NamedTuple):
    """Whether there was anything of it, the service or a secret."""

    removed: bool


class Unlocked(NamedTuple):
    """Who was in the way, and which release's activation is or was at work; its verdict where it was ended."""

    holder: LockHolder | None
    activation: Name | None = None
    verdict: Verdict | None = None
