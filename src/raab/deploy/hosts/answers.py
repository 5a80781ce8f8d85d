"""What a host may answer, operation by operation, as types: an answer that is not of its type is none. Pure."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from raab.deploy.plan.facts import Ahead, Count, HostFacts, LockHolder, Name, Seconds
from raab.deploy.report.results import Probe
from raab.plain import plain

# Texts of several lines; every other text of a host's is one.
PARAGRAPHS = ("message", "hint", "reason", "trouble", "output", "problem")
# Files, whose lines are compared and parsed.
DOCUMENTS = ("texts", "settings", "packaged")
LETTERS = 20_000


class Event(Struct, frozen=True):
    """One line of a conversation. `done` ends it well and has the answer's own fields, `error` ends it too; any other tells a text.
    `speaks` is the version that it is said in (raab.protocol.conversation)."""

    event: str
    text: str = ""
    message: str = ""
    hint: str = ""
    code: int = 1
    speaks: int = 1


class Nothing(Struct, frozen=True):
    """Done, and no more to say."""


class Facts(Struct, frozen=True):
    facts: HostFacts


class AheadAnswer(Struct, frozen=True):
    """What the next start would come to; None where a host knows nothing of it."""

    ahead: Ahead | None


class Texts(Struct, frozen=True):
    """Lock and packaged settings of the running release, by the names of their files."""

    texts: dict[str, str]


class Staged(Struct, frozen=True):
    """How long it took."""

    seconds: Seconds


class Verdict(Struct, frozen=True):
    """How an activation ended. `started` is false for one that never began, `reverted` true where what served `before` serves, `switched`
    false where the host is known to have stayed on it. `serves` is the service's own word at the end, if it was asked: None where it does
    not run."""

    ok: bool
    started: bool = True
    reverted: bool = False
    switched: bool = True
    before: Name | None = field(default=None, name="from")
    serves: Name | UnsetType | None = UNSET
    reason: str = ""
    hint: str = ""
    seconds: Seconds = 0.0
    probe: Probe = Probe()
    strays: tuple[str, ...] = ()


class Activated(Struct, frozen=True):
    verdict: Verdict


class Workers(Struct, frozen=True):
    """Of a host's newest generation of workers: how many have died, and how many requests they have answered, and how many of these with an
    error: a 5xx status, or an answer that was cut by the application."""

    died: Count
    requests: Count
    errors: Count


class Stray(Struct, frozen=True):
    """A process of the service that is nobody's."""

    pid: Count
    name: str


class Own(Struct, frozen=True):
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


class ProcessRow(Struct, frozen=True):
    """raab.host.beside.rows has it."""

    name: Name
    process: Name
    state: str
    release: str
    pid: Count
    seconds: Seconds
    restarts: Count


class TimerRow(Struct, frozen=True):
    """raab.host.beside.rows has it."""

    name: Name
    state: str
    release: str
    next: Seconds
    last: Seconds
    code: Count | None


class ServiceStatus(Struct, frozen=True):
    """`drained`: /readyz says 503, so that load balancers go."""

    state: str
    release: Name | None = None
    version: str | None = None
    raab: Own = Own()
    drained: bool = False
    processes: tuple[ProcessRow, ...] = ()
    timers: tuple[TimerRow, ...] = ()
    counts: dict[Name, Count] = field(default_factory=dict)


class Status(Struct, frozen=True):
    status: ServiceStatus


class Acted(Struct, frozen=True):
    """What the service's own command printed."""

    output: str
    seconds: Seconds


class Entry(Struct, frozen=True):
    """A line of a host's journal; `time` in seconds since the epoch, as far as calendars go."""

    time: Annotated[float, Meta(ge=0, lt=253_402_300_800)] = 0.0
    release: str = ""
    before: str | None = field(default=None, name="from")
    action: str = ""
    verdict: str = ""
    who: str = ""
    machine: str = ""
    version: str = ""
    commit: str = ""
    seconds: Seconds = 0.0
    reason: str = ""
    drill: bool = False


class History(Struct, frozen=True):
    entries: tuple[Entry, ...]


class Place(Struct, frozen=True):
    """A file system that is written to, by the first of its folders that counts. Sizes in bytes; `inodes` is 0 where nobody
    counts them."""

    path: str
    writable: bool
    free: Count
    total: Count
    inodes_free: Count
    inodes: Count


class Interpreter(Struct, frozen=True):
    """What a release's Python is in truth, whether it is there, the package that it is of, and whether apt would remove that by itself."""

    path: str
    there: bool
    package: str = ""
    leaving: bool = False


class Examined(Struct, frozen=True):
    """What a closer look found: changed files, the release's units with their SHA-256, what the service says, why it says nothing, and what
    is not as it was installed of root's own program. Then what will hurt next: places that are written to, whether the host is drained,
    unit files that no release has, the release's Python, and what is wrong with what a rollback may go to."""

    drift: tuple[str, ...]
    units: dict[str, str]
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
    counts: dict[Name, Count] = field(default_factory=dict)


class Stored(Struct, frozen=True):
    """A secret on a host; `changed` in seconds since the epoch."""

    name: Name
    encrypted: bool
    changed: Seconds


class Secrets(Struct, frozen=True):
    secrets: tuple[Stored, ...]


class SecretSet(Struct, frozen=True):
    """Whether the host has it encrypted."""

    encrypted: bool


class Removed(Struct, frozen=True):
    """Whether there was anything of the service."""

    removed: bool


class Unlocked(Struct, frozen=True):
    """Who was in the way, and which release's activation is or was at work; its verdict where it was ended."""

    holder: LockHolder | None
    activation: Name | None = None
    verdict: Verdict | None = None


def scrubbed(told: Any, name: str = "") -> Any:
    """The same, decoded from JSON, with every text as a terminal can be given it (raab.plain).

    Where a text may have several lines, those after the first are indented, so that none passes for a line of raab's.
    """
    if isinstance(told, str):
        if name in PARAGRAPHS:
            return "\n    ".join(plain(line, LETTERS) for line in told.splitlines())
        return "\n".join(plain(line, LETTERS) for line in told.split("\n")) if name in DOCUMENTS else plain(told, LETTERS)
    if isinstance(told, dict):
        return {plain(key, LETTERS): scrubbed(value, name if name in DOCUMENTS else key) for key, value in told.items()}
    if isinstance(told, list):
        return [scrubbed(value, name) for value in told]
    return told


def decode(line: bytes) -> Any:
    """A line as JSON, scrubbed. Raises ValueError, RecursionError."""
    return scrubbed(msgspec.json.decode(line))
