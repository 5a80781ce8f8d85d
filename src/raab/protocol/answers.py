"""What a host may answer, and tell before it does: a type for each. Standard library only, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from raab.protocol.facts import Ahead, HostFacts, LockHolder
from raab.protocol.fields import Count, Name, Seconds
from raab.protocol.service import Entry, ServiceStatus, Stored
from raab.protocol.values import Word, between, matching


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


class Status(NamedTuple):
    status: ServiceStatus


class Acted(NamedTuple):
    """What the service's own command printed."""

    output: str
    seconds: Seconds


class History(NamedTuple):
    entries: tuple[Entry, ...]


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
