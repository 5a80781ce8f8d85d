"""What a deployer asks of a host: each operation's request as a type, in one table, with what a value has to be to pass.

Both sides read by it: a deployer makes a request only of these, a host's session lets nothing else through. Answers are told apart by
raab.deploy.hosts.answers. Standard library only: it travels to hosts that have no raab yet.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from raab import exitcodes, servicename
from raab.errors import RaabError
from raab.plain import plain

MANY = 1000
# Both sides send an empty line every so many seconds, whatever they are busy with, and take the other one for gone after its silence.
# A host lets go first, even of one whose last line came late: who is told that the connection was lost and deploys again finds no lock
# of his own there.
PULSE_SECONDS = 10
HOSTS_PATIENCE_SECONDS = 30
DEPLOYERS_PATIENCE_SECONDS = 45
# Bytes: of a file that is sent, and of all that one release takes. A manifest is a text within a request.
LARGEST = 1 << 32
DAY = 86_400


class Must(NamedTuple):
    """What a value has to be, in words, and whether it is."""

    words: str
    holds: Callable[[Any], bool]


def matching(words: str, pattern: str) -> Must:
    compiled = re.compile(rf"\A(?:{pattern})\Z", re.ASCII)
    return Must(words, lambda value: compiled.match(value) is not None)


def between(least: float, most: float) -> Must:
    return Must(f"from {least:g} to {most:g}", lambda value: math.isfinite(value) and least <= value <= most)


def path(value: str) -> bool:
    """Whether it leads to a file below the folder that it is put into, by names that are no surprise to anybody."""
    names = value.split("/")
    return len(value) < 1000 and all(NAME.match(name) and len(name) < 200 and not name.endswith((".part", ".new")) for name in names)


def absolute(value: str) -> bool:
    """Whether it is a path from the root on, by such names."""
    return value.startswith("/") and path(value[1:])


def command(value: str) -> bool:
    """Whether /bin/sh can be given it."""
    return 0 < len(value) <= 10_000 and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


NAME = re.compile(r"\A[A-Za-z0-9_+@-][A-Za-z0-9_.+@-]*\Z", re.ASCII)
ServiceName = Annotated[str, Must(servicename.WORDS, lambda value: not servicename.wrong(value))]
ReleaseId = Annotated[str, matching("a release id", r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}(-dirty)?")]
Sha256 = Annotated[str, matching("a SHA-256", "[0-9a-f]{64}")]
Commit = Annotated[str, matching("a commit", "[0-9a-f]{40}|[0-9a-f]{64}|[a-z]{0,20}")]
Token = Annotated[str, matching("a token", "[0-9a-f]{32}")]
FileName = Annotated[str, Must("a file name", lambda value: "/" not in value and path(value))]
ReleaseIdOrNone = Annotated[str, matching("a release id, or none", r"([0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}(-dirty)?)?")]
RelativePath = Annotated[str, Must("a path within a release", path)]
AbsolutePath = Annotated[str, Must("an absolute path of plain names", absolute)]
Word = Annotated[str, Must("a line of at most 200 letters", lambda value: plain(value, 201) == value and len(value) <= 200)]
Size = Annotated[int, between(0, LARGEST)]
Seconds = Annotated[float, between(0.001, DAY)]
Text = Annotated[str, Must("a text of at most 4 MB", lambda value: len(value) <= 1 << 22)]


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
    write: tuple[AbsolutePath, ...] = ()


class Hooks(NamedTuple):
    before_activate: Command | None = None
    after_activate: Command | None = None


class Facts(NamedTuple):
    """What the host is and has; `closely` with who listens on it, and with what a `release` that it has brings of settings."""

    closely: bool = False
    release: ReleaseIdOrNone = ""


class Texts(NamedTuple):
    """Lock and packaged settings of the current release."""


class Lock(NamedTuple):
    """Nobody else may change anything until this connection ends, or lets go."""

    who: Word
    machine: Word
    what: Word


class LetGo(NamedTuple):
    """Of the lock."""


class Stage(NamedTuple):
    """Make a release of its parts; the bytes of those that are sent follow the request, one part after another."""

    manifest: Text
    send: tuple[Part, ...]
    uv: Sha256


class Activate(NamedTuple):
    """Make a release the current one. `program` is root's, packed, where the host has another one (raab.host.session.program);
    `take_over`: also where the service is another project's."""

    release: ReleaseId
    token: Token
    action: Annotated[str, matching("deploy, rollback or revert", "deploy|rollback|revert")]
    keep: Annotated[int, between(0, MANY)]
    condemn: ReleaseIdOrNone
    restart: bool
    drill: bool
    hooks: Hooks
    who: Word
    machine: Word
    program: Text = ""
    take_over: bool = False


class Follow(NamedTuple):
    """An activation that has begun, to its verdict."""

    token: Token


class Status(NamedTuple):
    """Of the service."""


class Service(NamedTuple):
    """Have it do something; `amount` is for `scale`: N, +N or -N."""

    action: Annotated[str, matching("reload, restart or scale", "reload|restart|scale")]
    amount: Word = ""


class Logs(NamedTuple):
    """The last lines of the service's log, and with `follow` all that come."""

    lines: Annotated[int, between(0, 100_000)]
    follow: bool = False


class History(NamedTuple):
    """The journal of activations."""


class Examine(NamedTuple):
    """What only a closer look tells."""


class Ahead(NamedTuple):
    """What the next start of the service would come to."""


class Workers(NamedTuple):
    """What the newest generation has answered, and how many of it have died."""


class Hook(NamedTuple):
    """A command that is run once, before any switch."""

    release: ReleaseId
    command: Command


class Label(NamedTuple):
    """The content of a release has become a commit."""

    release: ReleaseId
    commit: Annotated[str, matching("a commit", "[0-9a-f]{40}|[0-9a-f]{64}")]
    who: Word
    machine: Word


class Unlock(NamedTuple):
    """End the session that holds the lock; with `force` also the activation under way, and have one complete release serve."""

    force: bool = False
    who: Word = "unknown"
    machine: Word = "unknown"


OPERATIONS: dict[str, type[Any]] = {
    "facts": Facts, "texts": Texts, "lock": Lock, "let_go": LetGo, "stage": Stage, "activate": Activate, "follow": Follow,
    "status": Status, "service": Service, "logs": Logs, "history": History, "examine": Examine, "ahead": Ahead, "workers": Workers,
    "hook": Hook, "unlock": Unlock, "label": Label,
}  # fmt: skip


class ManifestPart(NamedTuple):
    """A file of the release; a wheel among them is raab itself, archives in the folder `app` are the project."""

    name: RelativePath
    sha256: Sha256
    size: Size


class Wheel(NamedTuple):
    """A dependency."""

    name: FileName
    sha256: Sha256


class Manifest(NamedTuple):
    """What a release consists of, and which service it is one of. `content` is the hash of the tree that it was made from; `writable` are
    the project's files and folders that the service writes, and that no release has a part in."""

    id: ReleaseId
    service: ServiceName
    version: Word
    commit: Commit
    content: Sha256
    lock: Sha256
    parts: tuple[ManifestPart, ...]
    wheels: tuple[Wheel, ...]
    writable: tuple[RelativePath, ...] = ()


class Asked(NamedTuple):
    """An operation's name, the service that it is about, and its request."""

    operation: str
    service: ServiceName
    request: Any


def decode(line: bytes) -> Asked:
    """What a line asks for. Raises RaabError, exit code 2, for what is none."""
    try:
        told = json.loads(line)
        if type(told) is not dict:
            raise ValueError(f"not a request: {shown(told)}")
        operation = told.pop("op", None)
        if type(operation) is not str or operation not in OPERATIONS:
            raise ValueError(f"no such operation: {shown(operation)}")
        service = read(ServiceName, told.pop("service", None), "service")
        return Asked(operation, service, read(OPERATIONS[operation], told, operation))
    except (ValueError, RecursionError) as error:
        raise RaabError(f"request: {error}", "deploy with the raab that this project is made with", exitcodes.BAD_INPUT) from None


def encode(operation: str, service: str, values: dict[str, Any]) -> bytes:
    """A request about a service, as a line. Raises RaabError, exit code 2, for values that no host would take."""
    try:
        read(ServiceName, service, "service")
        read(OPERATIONS[operation], json.loads(json.dumps(values)), operation)
    except ValueError as error:
        raise RaabError(f"request: {error}", "a host would refuse it, too", exitcodes.BAD_INPUT) from None
    return json.dumps({"op": operation, "service": service, **values}).encode() + b"\n"


def manifest(text: str) -> Manifest:
    """What a manifest says. Raises RaabError, exit code 2, for one that no release may have."""
    try:
        told: Manifest = read(Manifest, known(json.loads(text), Manifest), "manifest")
        names = [part.name for part in told.parts]
        runtime = [name for name in names if name.endswith(".whl") and "/" not in name]
        folders = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 1)}
        if len(runtime) != 1:
            raise ValueError(f"manifest: one wheel is raab's, got {shown(runtime)}")
        if strays := [name for name in names if name.endswith(ARCHIVES) and name not in runtime and name.rpartition("/")[0] != "app"]:
            raise ValueError(f"manifest: an archive that belongs nowhere, got {shown(strays[0])}")
        if inside := [one for one in told.writable for other in told.writable if one.startswith(f"{other}/")]:
            raise ValueError(f"manifest: writable names what lies in another of them, got {shown(inside[0])}")
        if len({name.casefold() for name in names}) < len(names) or folders & set(names):
            raise ValueError("manifest: two parts have one name")
        if taken := {name.split("/")[0].casefold() for name in names} & TAKEN:
            raise ValueError(f"manifest: a name that is raab's own, got {min(taken)}")
        if [part.sha256 for part in told.parts if part.name == "requirements.lock"] != [told.lock]:
            raise ValueError("manifest: its lock is none of its parts")
        if not told.id.removesuffix("-dirty").endswith(told.content[:7]):
            raise ValueError(f"manifest: its id is not of its content, got {told.id}")
        if sum(part.size for part in told.parts) > LARGEST:
            raise ValueError("manifest: more than any release")
    except (ValueError, RecursionError) as error:
        raise RaabError(str(error), "build the bundle again: remove build/raab and deploy", exitcodes.BAD_INPUT) from None
    return told


# What raab itself puts into a release.
TAKEN = {"manifest.json", "seal.json", "venv", "seed"}
# Parts that are unpacked.
ARCHIVES = (".whl", ".zip")


def known(told: Any, kind: type[Any]) -> Any:
    """Without the fields that this version knows nothing of: a manifest may say more to another one."""
    return {key: value for key, value in told.items() if key in kind._fields} if type(told) is dict else told


def read(kind: Any, value: Any, where: str) -> Any:
    """The value as one of that kind. Raises ValueError that says where it is not."""
    if get_origin(kind) is Annotated:
        plainly, *musts = get_args(kind)
        found = read(plainly, value, where)
        for must in musts:
            if not must.holds(found):
                raise ValueError(f"{where}: not {must.words}, got {shown(value)}")
        return found
    if get_origin(kind) is UnionType:
        (wanted,) = (one for one in get_args(kind) if one is not type(None))
        return None if value is None else read(wanted, value, where)
    if get_origin(kind) is tuple:
        if type(value) is not list or len(value) > MANY:
            raise ValueError(f"{where}: not a list of at most {MANY}, got {shown(value)}")
        return tuple(read(get_args(kind)[0], one, f"{where}.{index}") for index, one in enumerate(value))
    if hasattr(kind, "_fields"):
        return members(kind, value, where)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{where}: not {NAMES[kind]}, got {shown(value)}")
    return value


NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def members(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not dict:
        raise ValueError(f"{where}: not an object, got {shown(value)}")
    if strange := value.keys() - set(kind._fields):
        raise ValueError(f"{where}: unknown, got {shown(min(strange))}")
    if missing := [name for name in kind._fields if name not in value and name not in kind._field_defaults]:
        raise ValueError(f"{where}.{missing[0]}: missing")
    return kind(**{name: read(hint, value[name], f"{where}.{name}") for name, hint in hints(kind).items() if name in value})


@cache
def hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def shown(value: Any) -> str:
    return plain(repr(value), 80)
