"""What a deployer may ask of a host: a type for each operation's request. Standard library only, and pure."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from raab.protocol.edge import Edge, Upstream
from raab.protocol.processes import ProcessNameOrNone
from raab.protocol.streams import Size as TerminalSize
from raab.protocol.values import (
    DAY,
    FEW,
    MANY,
    AbsolutePath,
    AbsolutePathOrNone,
    Argument,
    FileName,
    Must,
    ReleaseId,
    ReleaseIdOrNone,
    Seconds,
    SecretText,
    Sha256,
    Size,
    StoredName,
    Text,
    Token,
    Word,
    between,
    command,
    matching,
)

# Of the raab which brings root's program.
Version = Annotated[str, matching("a version of raab, or none", r"([0-9][0-9A-Za-z.+]{0,60})?")]


class Part(NamedTuple):
    """One file on its way: its name, its SHA-256 in hex, its size in bytes."""

    name: FileName
    sha256: Sha256
    size: Size


class Command(NamedTuple):
    """What a deployer has a host do, for how many seconds at most, and what it needs beyond the service's sandbox: the network, where that
    has none, and paths to write to."""

    command: Annotated[str, Must("a command without NUL", command)]
    timeout: Seconds
    network: bool = False
    write: Annotated[tuple[AbsolutePath, ...], FEW] = ()


class Hooks(NamedTuple):
    before_activate: Command | None = None
    after_activate: Command | None = None


class Facts(NamedTuple):
    """What the host is and has; `closely` with who listens on it, with what a `release` that it has brings of settings, and with the
    version of a `program` that is to be its edge."""

    closely: bool = False
    release: ReleaseIdOrNone = ""
    program: AbsolutePathOrNone = ""


class Texts(NamedTuple):
    """Lock and packaged settings of the current release."""


class Lock(NamedTuple):
    """Nobody else may change anything until this connection ends, or lets go. The facts that come with it are told as those of `Facts`."""

    who: Word
    machine: Word
    what: Word
    closely: bool = False
    release: ReleaseIdOrNone = ""
    program: AbsolutePathOrNone = ""


class LetGo(NamedTuple):
    """Of the lock."""


class Stage(NamedTuple):
    """Make a release of its parts; the bytes of those that are sent follow the request, one part after another."""

    manifest: Text
    send: Annotated[tuple[Part, ...], FEW]
    uv: Sha256


class Activate(NamedTuple):
    """Make a release the current one. `version` is that of the raab which brings root's program; `take_over`: also where the service is
    another project's; `chosen`: whether timers that run on one host alone run on this one, None where that stays as it is."""

    release: ReleaseId
    token: Token
    action: Annotated[str, matching("deploy, rollback, revert or activate", "deploy|rollback|revert|activate")]
    keep: Annotated[int, between(0, MANY)]
    condemn: ReleaseIdOrNone
    restart: bool
    drill: bool
    hooks: Hooks
    who: Word
    machine: Word
    take_over: bool = False
    chosen: bool | None = None
    version: Version = ""


class Follow(NamedTuple):
    """An activation that has begun, to its verdict."""

    token: Token


class Status(NamedTuple):
    """Of the service."""


class Service(NamedTuple):
    """Have it do something; `amount` is for `scale`: N, +N or -N, of the web's workers, or of another process as worker=N. `process` is for
    `restart`: this one and not the web."""

    action: Annotated[str, matching("reload, restart or scale", "reload|restart|scale")]
    amount: Word = ""
    process: ProcessNameOrNone = ""


class Traffic(NamedTuple):
    """What the workers have counted until now."""


class Drain(NamedTuple):
    """Out of the load balancer's pool, until no client has begun a request for so many seconds."""

    quiet: Annotated[float, between(0, DAY)]


class Undrain(NamedTuple):
    """Back into it, as soon as the service wants traffic."""


class Reboot(NamedTuple):
    """Boot anew. The connection ends with it."""


class Logs(NamedTuple):
    """The last lines of the service's log, or of a process's or timer's of that name, and with `follow` all that come."""

    lines: Annotated[int, between(0, 100_000)]
    follow: bool = False
    process: ProcessNameOrNone = ""


class History(NamedTuple):
    """The journal of activations."""


class Examine(NamedTuple):
    """What only a closer look tells."""


class Ahead(NamedTuple):
    """What the next start of the service would come to."""


class Workers(NamedTuple):
    """What the newest generation has answered, and how many of it have died."""


class Load(NamedTuple):
    """Import a release as its workers would, and ask it nothing."""

    release: ReleaseId


class Migrate(NamedTuple):
    """Run the command by which a release migrates its database, and record that it was; without a command only the latter: another host of
    the environment has run it."""

    release: ReleaseId
    who: Word
    machine: Word
    command: Command | None = None


class Run(NamedTuple):
    """A command in the current release, the framework's shell for no words: in a terminal of that size and kind, or with three pipes; or by
    itself (`detach`). What is typed comes after the host has said that it has begun (raab.protocol.streams). In the place of words a
    `timer` is named, whose command it is."""

    words: tuple[Argument, ...]
    timer: ProcessNameOrNone = ""
    size: TerminalSize | None = None
    term: Annotated[str, matching("a kind of terminal, or none", "[A-Za-z0-9._+-]{0,60}")] = ""
    detach: bool = False


class Label(NamedTuple):
    """The content of a release has become a commit."""

    release: ReleaseId
    commit: Annotated[str, matching("a commit", "[0-9a-f]{40}|[0-9a-f]{64}")]
    who: Word
    machine: Word


class Secrets(NamedTuple):
    """Which the service has, by their names."""


class SetSecret(NamedTuple):
    """Have the service find this from its next start or reload on."""

    secret: StoredName
    value: SecretText


class RemoveSecret(NamedTuple):
    """One that the release which is current does not need."""

    secret: StoredName


class StageFront(NamedTuple):
    """Judge what the host's edge would be told of a service on other hosts, and have what it needs; nothing is switched. What is sent is as
    in `Stage`, `version` as in `Activate`."""

    told: Edge
    upstreams: Annotated[tuple[Upstream, ...], FEW]
    send: Annotated[tuple[Part, ...], FEW] = ()
    version: Version = ""


class Front(NamedTuple):
    """Have the host's edge take requests for a service on other hosts, as `told` of a release, or as it was told of that release before;
    for no release, no longer. `weights`: how many requests each of them gets beside the others, as many where nothing is said."""

    release: ReleaseIdOrNone
    upstreams: Annotated[tuple[Upstream, ...], FEW] = ()
    told: Edge | None = None
    weights: Annotated[tuple[Annotated[int, between(1, 100_000)], ...], FEW] = ()


class Maintenance(NamedTuple):
    """Have the host's edge give everybody a page in the place of the service, raab's own where it is empty; or no longer."""

    on: bool
    page: Text = ""


class Remove(NamedTuple):
    """Take the service off the host; its data, settings and user stay unless they are to be purged."""

    purge: bool = False


class Unlock(NamedTuple):
    """End the session that holds the lock; with `force` also the activation under way, and have one complete release serve."""

    force: bool = False
    who: Word = "unknown"
    machine: Word = "unknown"
