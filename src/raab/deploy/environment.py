"""An environment: a named set of hosts with its settings, read from deploy/<name>.yaml into frozen values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from raab.deploy import exitcodes
from raab.errors import RaabError
from raab.factory.node import Node, Problem
from raab.factory.validation import build, convert
from raab.factory.yamlfile import read_yaml

HOST_NAME = re.compile(r"\A[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86400)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


@dataclass(frozen=True)
class Host:
    """A server as SSH reaches it. `identity` and `known_hosts` are files; empty for what SSH itself would use."""

    name: str
    address: str
    port: int
    user: str
    identity: str
    known_hosts: str
    roles: tuple[str, ...]


class HostEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a file may say of one host; what it leaves out is the environment's."""

    address: str = ""
    port: Port | None = None
    user: str = ""
    roles: tuple[Literal["app", "edge"], ...] = ("app",)


@dataclass(frozen=True)
class Hosts:
    """`hosts: lab`, or a section with a host's name as each key."""

    lab: bool
    entries: Mapping[str, HostEntry]

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Hosts | None:
        if node.value == "lab":
            return cls(True, {})
        if not isinstance(node.value, Mapping) or not node.value:
            problems.append(
                Problem(
                    node.where,
                    f"{node.path}: needs a section with at least one host, or the word lab",
                    hint="hosts: {web1: {address: 203.0.113.10}}",
                )
            )
            return None
        before = len(problems)
        entries = {}
        for name, child in node.value.items():
            if not HOST_NAME.match(name):
                problems.append(
                    Problem(child.where, f"{child.path}: not a host's name", repr(name), "use letters, digits, dots and dashes")
                )
            entries[name] = build(Node({}, child.where, child.path) if child.value is None else child, HostEntry, problems)
        return None if len(problems) > before else cls(False, entries)


@dataclass(frozen=True)
class Wave:
    """Up to how many hosts are switched when this wave is done: a count, or a share of all in percent."""

    count: int = 0
    percent: int = 0

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Wave | None:
        if isinstance(node.value, int) and not isinstance(node.value, bool) and 1 <= node.value <= 100_000:
            return cls(count=node.value)
        match = re.fullmatch(r"([1-9][0-9]?|100)%", node.value) if isinstance(node.value, str) else None
        if match:
            return cls(percent=int(match[1]))
        problems.append(
            Problem(node.where, f"{node.path}: needs a number of hosts or a share of them", repr(node.value), "such as 1 or 25%")
        )
        return None

    def upto(self, total: int) -> int:
        return min(total, self.count or ceil(total * self.percent / 100))


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A command run by /bin/sh as the service's user in the new release's directory, with a time limit in seconds."""

    command: Annotated[str, msgspec.Meta(min_length=1)]
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """`once` runs on one host of the environment before any is switched; the others on each host."""

    once: Hook | None = None
    before_activate: Hook | None = None
    after_activate: Hook | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an environment file; deploy/production.example.yaml explains each."""

    hosts: Hosts
    user: Annotated[str, msgspec.Meta(min_length=1)] = "root"
    port: Port = 22
    identity: str = ""
    known_hosts: str = "~/.ssh/known_hosts"
    connect_timeout: Annotated[float, msgspec.Meta(ge=1, le=600)] = 10.0
    service_port: Port = 8000
    parallel: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    waves: Annotated[tuple[Wave, ...], msgspec.Meta(min_length=1)] = (Wave(count=1), Wave(percent=25), Wave(percent=100))
    bake: Seconds = 0.0
    on_failure: Literal["revert", "stop"] = "revert"
    max_unreachable: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    keep: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5
    hooks: Hooks = Hooks()
    drills: Literal["refused", "allowed"] = "refused"

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.waves or self.waves[-1].percent != 100:
            yield "waves", "the last wave must be 100%, or some hosts would never be deployed to"


@dataclass(frozen=True)
class Environment:
    """One environment, ready to use. Times are seconds; `roles` decide later what a host gets."""

    name: str
    hosts: tuple[Host, ...]
    is_lab: bool
    settings: File

    def url(self, host: Host) -> str:
        return f"http://{host.address}:{self.settings.service_port}/"

    def only(self, names: str) -> Environment:
        """The same with the hosts of a comma-separated list alone; all for an empty one. Raises RaabError for any other name."""
        if not names:
            return self
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        known = {host.name: host for host in self.hosts}
        for name in wanted:
            if name not in known:
                raise RaabError(
                    f"--hosts: no such host in {self.name}, got {name}", f"its hosts are: {', '.join(known)}", exitcodes.BAD_INPUT
                )
        return replace(self, hosts=tuple(host for host in self.hosts if host.name in wanted))


def load(root: Path, name: str) -> Environment:
    """Read deploy/<name>.yaml under `root`. Raises RaabError (ConfigError with every problem at once) when it is not as it should be."""
    path = root / "deploy" / f"{name}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not path.is_file():
        known = sorted(file.stem for file in (root / "deploy").glob("*.yaml") if not file.stem.endswith(".example"))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}; each is a file deploy/<name>.yaml"
        raise RaabError(f"--env: no such environment, got {name}", hint, exitcodes.BAD_INPUT)
    node = read_yaml(path)
    settings = convert(Node(node.value, str(path.relative_to(root)), ""), File) if node.value == {} else convert(node, File)
    hosts = lab_hosts(name) if settings.hosts.lab else own_hosts(settings)
    return Environment(name, hosts, settings.hosts.lab, settings)


def own_hosts(settings: File) -> tuple[Host, ...]:
    identity, known_hosts = (str(Path(text).expanduser()) if text else "" for text in (settings.identity, settings.known_hosts))
    return tuple(
        Host(name, entry.address or name, entry.port or settings.port, entry.user or settings.user, identity, known_hosts, entry.roles)
        for name, entry in settings.hosts.entries.items()
    )


def lab_hosts(name: str) -> tuple[Host, ...]:
    from raab.lab import state

    hosts = tuple(Host(host.name, host.address, 22, "root", str(host.key), str(host.known_hosts), ("app",)) for host in state.hosts())
    if not hosts:
        raise RaabError(f"environment {name}: the lab has no hosts, got none", "boot some with `fab lab.up`", exitcodes.BAD_INPUT)
    return hosts
