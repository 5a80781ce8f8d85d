"""What an environment file may say, key by key, as types that are checked; deploy/production.example.yaml explains each."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

import msgspec

from raab import servicename
from raab.deploy.plan import python
from raab.protocol import edge
from raab.protocol.values import absolute, path
from raab.settings.commands import Hook
from raab.settings.given import Env, Given, SecretName
from raab.settings.node import Node, Problem
from raab.settings.validation import Check, build, matches

ADDRESS = re.compile(r"\A[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\Z")
HOST_NAME = re.compile(r"\A[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86400)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Domain = Annotated[str, matches(edge.DOMAIN, "a whole domain in small letters, as shop.example.com")]


class HostEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a file may say of one host; what it leaves out is the environment's."""

    address: str = ""
    port: Port | None = None
    user: str = ""
    python: str = ""
    roles: tuple[Literal["app", "edge"], ...] = ("app",)
    private: str = ""


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
            entry = build(Node({}, child.where, child.path) if child.value is None else child, HostEntry, problems)
            if isinstance(entry, HostEntry) and not ADDRESS.match(entry.address or name) and not is_ip(entry.address):
                hint = rewritten(entry.address)
                problems.append(Problem(child.where, f"{child.path}: address: not an address alone", repr(entry.address), hint))
            if isinstance(entry, HostEntry) and entry.private and not is_ip(entry.private):
                problems.append(Problem(child.where, f"{child.path}: private: not an IP address", repr(entry.private)))
            if isinstance(entry, HostEntry) and (why := python.wrong(entry.python)):
                problems.append(Problem(child.where, f"{child.path}: python: {why}", repr(entry.python)))
            entries[name] = entry
        if len(problems) == before:
            problems += twice(node, entries)
        return None if len(problems) > before else cls(False, entries)


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def rewritten(address: str) -> str:
    """What was meant by `root@web1:2222`, as this file has it."""
    found = re.fullmatch(r"(?:(?P<user>[^@\s]+)@)?(?P<address>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", address)
    if found is None:
        return "a name or an IP address, as ssh takes it"
    keys = [f"{key}: {value}" for key, value in (("user", found["user"]), ("port", found["port"])) if value]
    plain = found["address"].strip("[]")
    told = f"'{plain}'" if ":" in plain else plain
    return f"{{{', '.join([f'address: {told}', *keys])}}}"


def twice(node: Node, entries: Mapping[str, HostEntry]) -> list[Problem]:
    """Hosts that are one: a deploy to both would wait for itself."""
    first: dict[tuple[str, int | None], str] = {}
    problems = []
    for name, entry in entries.items():
        address = (entry.address or name).lower()
        key = (str(ipaddress.ip_address(address)) if is_ip(address) else address, entry.port)
        if key in first:
            problems.append(
                Problem(node.where, f"{node.path}: two names for one address, {first[key]} and {name}", address, "name it once")
            )
        first.setdefault(key, name)
    return problems


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


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Each runs on each host, in the new release's folder. What runs once is a project's own: `migrate` in its config.yaml."""

    before_activate: Hook | None = None
    after_activate: Hook | None = None


ProjectFile = Annotated[str, Check(lambda name: not name.startswith("/") and ".." not in name.split("/"), "a file of the project's")]

Folder = Annotated[str, Check(lambda name: path(name.rstrip("/")), "a folder of the project's, by names that are none of something hidden")]
Program = Annotated[str, Check(lambda name: not name or absolute(name), "an absolute path on the hosts")]
Prefix = Annotated[str, matches(edge.PREFIX, "the beginning of a URL's path, as /static")]


class Acme(msgspec.Struct, frozen=True, kw_only=True):
    """The authority of the certificates. Left out, `directory` is the public one that Caddy knows; `root` is a file of the project's by
    which another one is believed."""

    directory: Annotated[str, matches(f"({edge.DIRECTORY})?", "the https:// address of a directory")] = ""
    email: Annotated[str, matches(f"({edge.EMAIL})?", "an e-mail address")] = ""
    root: ProjectFile = ""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an environment file; deploy/production.example.yaml explains each."""

    hosts: Hosts
    name: str = ""
    lab: str = ""
    user: str = ""
    python: str = ""
    port: Port | None = None
    identity: str = ""
    known_hosts: str = ""
    ssh_config: str = ""
    connect_timeout: Annotated[float, msgspec.Meta(ge=1, le=600)] = 10.0
    service_port: Port = 8000
    parallel: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    waves: Annotated[tuple[Wave, ...], msgspec.Meta(min_length=1)] = (Wave(count=1), Wave(percent=25), Wave(percent=100))
    drain: Seconds | None = None
    bake: Seconds = 0.0
    bake_errors: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.0
    on_failure: Literal["revert", "stop"] = "revert"
    max_unreachable: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    keep: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5
    hooks: Hooks = Hooks()
    drills: Literal["refused", "allowed", "made"] = "refused"
    env: Env = Env()
    secrets: tuple[SecretName, ...] = ()
    domains: Annotated[tuple[Domain, ...], msgspec.Meta(max_length=edge.MOST)] = ()
    certificate: Literal["acme", "internal"] = "acme"
    acme: Acme = Acme()
    hsts: Annotated[int, msgspec.Meta(ge=0, le=edge.LONGEST)] = 0
    caddy: Program = ""
    maintenance: ProjectFile = ""
    static: Annotated[dict[Prefix, Folder], msgspec.Meta(max_length=20)] = {}

    @property
    def given(self) -> Given:
        """What the environment gives the service, beside the project's own."""
        return Given(self.env.values, self.secrets)

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.name and (why := servicename.wrong(self.name)):
            yield "name", why
        if why := python.wrong(self.python):
            yield "python", why
        if self.lab and not self.hosts.lab:
            yield "lab", "names a lab, and the hosts are not its own; hosts: lab would be"
        if not self.waves or self.waves[-1].percent != 100:
            yield "waves", "the last wave must be 100%, or some hosts would never be deployed to"
        yield from self.given.problems()
        yield from self.edges_problems()
        yield from self.roles_problems()

    def edges_problems(self) -> Iterator[tuple[str, str]]:
        if len(set(self.domains)) < len(self.domains):
            yield "domains", "names one twice"
        if not self.domains and (self.certificate, self.acme, self.hsts, self.caddy, self.maintenance, self.static) != (
            "acme", Acme(), 0, "", "", {},
        ):  # fmt: skip
            yield "domains", "names none, and what is said of certificates, HSTS, files, Caddy or maintenance is about these"
        if self.certificate != "acme" and self.acme != Acme():
            yield "acme", f"is of no effect, since certificate is {self.certificate}"

    def roles_problems(self) -> Iterator[tuple[str, str]]:
        """What does not make a fleet of the hosts' roles."""
        entries = self.hosts.entries
        edges = {name: entry for name, entry in entries.items() if "edge" in entry.roles}
        for name, entry in entries.items():
            if len(entry.roles) != 1:
                yield "hosts", f"{name} is to have one role, app or edge; where no host is an edge, each app host is its own"
        for name, entry in edges.items():
            if not is_ip(entry.private or entry.address or name):
                yield "hosts", f"{name} is an edge, whom the others believe by its IP address; name it as `address` or `private`"
        if entries and len(edges) == len(entries):
            yield "hosts", "has edges alone, and none that runs the service"
