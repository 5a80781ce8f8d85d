"""What raab can be told, typed and frozen. Values and their explanation stand in raab/config/*.yaml; no defaults here, so that they
stand once. Sizes are bytes, times are seconds."""

from __future__ import annotations

import ipaddress
import os.path
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from raab.release import current_release
from raab.settings.node import ConfigError, Node, Problem
from raab.settings.secret import Secret
from raab.settings.served import Project
from raab.settings.validation import Check, build, convert, matches
from raab.settings.yamlfile import parse_yaml

Environment = Literal["development", "production"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Size = Annotated[int, Meta(ge=0, le=2**40)]
Workers = Annotated[int, Meta(ge=1, le=1024)]

_T = TypeVar("_T", bound=msgspec.Struct)


def _is_bind(text: str) -> bool:
    if text.startswith("unix:/"):
        return not re.search(r"[\s,]", text) and len(text.removeprefix("unix:").encode()) <= _LONGEST_PATH
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|[A-Za-z0-9.-]+):([0-9]{1,5})", text)
    return match is not None and 0 < int(match[2]) < 65_536 and (match[1] is None or _is_network(match[1]))


def _plainest(bind: str) -> str:
    """One way of writing for each address."""
    if bind.startswith("unix:"):
        return f"unix:{os.path.normpath('/' + bind.removeprefix('unix:').lstrip('/'))}"
    host, _, port = bind.rpartition(":")
    return f"[{ipaddress.ip_address(host.strip('[]'))}]:{port}" if ":" in host else f"{host.lower()}:{port}"


def _is_network(text: str) -> bool:
    if text == "unix":
        return True
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


Bind = Annotated[str, Check(_is_bind, "address:port or unix:/path")]
Network = Annotated[str, Check(_is_network, "an IP address, a network like 10.0.0.0/8, or unix")]
Forwarding = Annotated[
    str,
    matches(
        r"(?i:Forwarded|X-Request-ID|X-Real-IP|X-Forwarded-(?!Ssl$)[a-z0-9-]+)",
        "Forwarded, X-Request-ID, X-Real-IP or one of X-Forwarded-..., but not X-Forwarded-Ssl",
    ),
]
_LABEL = r"[a-z0-9_][a-z0-9_-]*"
HostName = Annotated[str, matches(rf"(?i:\[[0-9a-f:.]+\]|(\*\.)?{_LABEL}(\.{_LABEL})*)", "a host's name, or *.name, without a port")]
HeaderName = Annotated[str, matches(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "the name of a header")]
SecretKey = Annotated[Secret, Check(lambda secret: len(secret.reveal()) >= 32, "at least 32 characters")]
HeaderValue = Annotated[str, matches(r"[ -~]*", "printable ASCII")]


# unix(7), sun_path, with the byte that ends it.
_LONGEST_PATH = 107
# systemd keeps the sockets over a restart, 16 of them (raab.service, FileDescriptorStoreMax=).
_MOST_ADDRESSES = 6


def _own_sockets() -> tuple[str, ...]:
    """What its operators talk to the service by (gunicorn.py), and its edge."""
    return (*(f"unix:/run/{current_release().service}/{name}" for name in ("admin", "control")), f"unix:{asked_by_edge()}")


def asked_by_edge() -> str:
    """Where the host's edge asks the service (raab.host.paths)."""
    return f"/run/raab-asked/{current_release().service}/http"


class Binds(tuple[str, ...]):
    """`server.bind`: a list of addresses; one may stand there by itself."""

    __slots__ = ()

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Binds | None:
        """Each address looked at by itself. Of a variable's text, what is no address is read as a list."""
        if node.text and not _is_bind(str(node.value)):
            try:
                node = Node(parse_yaml(str(node.value), node.where, lines=False).value, node.where, node.path)
            except ConfigError as error:
                problems.extend(error.problems)
                return None
        before = len(problems)
        nodes = node.value if isinstance(node.value, tuple) else (Node(node.value, node.where, node.path),)
        found = [build(child, Bind, problems) for child in nodes]
        if len(problems) == before and not 1 <= len(found) <= _MOST_ADDRESSES:
            problems.append(Problem(node.where, f"{node.path}: needs 1 to {_MOST_ADDRESSES} addresses", str(len(found))))
        written = list(map(_plainest, found)) if len(problems) == before else []
        twice = next((address for address, one in zip(found, written, strict=False) if written.count(one) > 1), None)
        if twice:
            problems.append(Problem(node.where, f"{node.path}: names an address twice", repr(twice)))
        return cls(found) if len(problems) == before else None


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """setting.yaml, `server`: how gunicorn runs."""

    bind: Binds
    edge: bool
    edges: tuple[Network, ...]
    admin_port: Annotated[int, Meta(ge=0, le=65_535)]
    public_health: bool
    workers: Workers
    workers_min: Workers
    workers_max: Workers
    handover: Literal["all-at-once", "one-by-one"]
    load: Literal["shared", "each"]
    load_timeout: Seconds
    timeout: Seconds
    graceful_timeout: Seconds
    keepalive: Seconds
    linger: Annotated[int, Meta(ge=0, le=86_400)]
    worker_connections: Annotated[int, Meta(ge=1, le=1_000_000)]
    backlog: Annotated[int, Meta(ge=1, le=65_535)]
    forwarded_allow_ips: tuple[Network, ...]
    forwarded_headers: tuple[Forwarding, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that requests come by: `bind`, and where the edge asks."""
        return (*self.bind, *((f"unix:{asked_by_edge()}",) if self.edge else ()))

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.workers_min > self.workers_max:
            yield "workers_min", f"is above workers_max ({self.workers_max})"
        elif not self.workers_min <= self.workers <= self.workers_max:
            yield "workers", f"is not between workers_min and workers_max ({self.workers_min} and {self.workers_max})"
        named = {name.lower() for name in self.forwarded_headers}
        if "forwarded" in named and (twice := named & {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}):
            # A proxy writes the one and passes on what its client has made up of the other.
            yield "forwarded_headers", f"has both Forwarded and {min(twice)}, of which a proxy writes one and lets pass the other"
        for bind in self.bind:
            if self.admin_port and bind.endswith(f":{self.admin_port}"):
                yield "admin_port", f"is the port of bind ({bind}), which is for the public"
            if _plainest(bind).replace(":/var/run/", ":/run/") in _own_sockets():
                yield "bind", f"names a socket of the service's own ({bind})"
        if self.linger > self.graceful_timeout:
            yield "linger", f"is above graceful_timeout ({self.graceful_timeout}), at which a worker is killed"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """setting.yaml, `limits`: what a request may cost."""

    request_line: Annotated[int, Meta(ge=100, le=65_536)]
    headers: Annotated[int, Meta(ge=10, le=10_000)]
    header_size: Annotated[int, Meta(ge=100, le=65_536)]
    body: Size
    form_memory: Size
    form_parts: Annotated[int, Meta(ge=1, le=1_000_000)]
    request: Seconds
    client: Seconds


class Security(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """setting.yaml, `security`. The secret key is no YAML key: see setting.yaml for where it comes from."""

    headers: dict[HeaderName, HeaderValue]
    hosts: tuple[HostName, ...]
    secure_cookies: bool
    secret_key: SecretKey = Secret()


class Logger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One logger of logging.yaml."""

    level: Level
    handlers: tuple[str, ...] = ()
    propagate: bool = True


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """logging.yaml, in the words of logging.config.dictConfig."""

    formatters: dict[str, dict[str, Any]]
    handlers: dict[str, dict[str, Any]]
    loggers: dict[str, Logger]
    root: Logger

    def problems(self) -> Iterator[tuple[str, str]]:
        for name, logger in (*self.loggers.items(), ("root", self.root)):
            for handler in logger.handlers:
                if handler not in self.handlers:
                    yield ("root" if name == "root" else "loggers"), f"{name} names the handler {handler!r}, which does not exist"
        for name, options in self.handlers.items():
            if options.get("formatter") not in (None, *self.formatters):
                yield "handlers", f"{name} names the formatter {options['formatter']!r}, which does not exist"


class Sections(NamedTuple):
    """The modules' own sections (setting.yaml, `modules`), untyped until the module that declares the type is imported: nobody who
    only wants to know the number of workers should have to import the application."""

    nodes: Mapping[str, Node]

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Sections | None:
        if isinstance(node.value, Mapping):
            return cls(node.value)
        problems.append(Problem(node.where, f"{node.path}: is a section and holds one section per module"))
        return None

    def bind(self, name: str, wanted: type[_T]) -> _T:
        """The section of module `name` as its own type. Raises ConfigError."""
        return convert(self.nodes.get(name, Node({}, "default", f"modules.{name}")), wanted)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    environment: Environment
    project: Project
    server: Server
    limits: Limits
    security: Security
    modules: Sections
    logging: Logging
