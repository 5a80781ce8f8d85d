"""A plan as a value: what happens on each host of an environment, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from raab.deploy.bundle.parts import Part
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.migration import Migration
from raab.errors import RaabError
from raab.protocol.edge import Edge


class Supplies(Struct, frozen=True):
    """What a host's platform needs beside the bundle: the dependencies' wheels, uv, and the edge's Caddy where there is to be one; or why
    they cannot be had. `notes` are for people."""

    wheels: tuple[Part, ...] = ()
    uv: Part | None = None
    caddy: Part | None = None
    problem: RaabError | None = None
    notes: tuple[str, ...] = ()


class Staging(Struct, frozen=True):
    """Bring a release onto the host: `send` is exactly what its cache lacks, `manifest` names all that it consists of."""

    send: tuple[Part, ...]
    manifest: str
    uv: str
    dependencies: Literal["install", "link"]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.send)


class Fronting(Struct, frozen=True):
    """What an edge is told of a service on other hosts: `told` None is what it was told of the release before. `send` is what it lacks,
    `before` its upstreams until now, `weights` how many requests each gets, as many where nothing is said."""

    upstreams: tuple[str, ...]
    told: Edge | None = None
    send: tuple[Part, ...] = ()
    before: tuple[str, ...] = ()
    weights: tuple[int, ...] = ()


class HostPlan(Struct, frozen=True):
    """What happens on one host: nothing (`reason` says why), a refusal (`refusal`), or staging where needed and an activation, by a
    `restart` of the service if one is wanted; `take_over`: whose service it was does not matter. `label` is the commit that the
    release's content has become since it was made. `front` is for an edge, which has no release but takes requests for it."""

    host: Host
    verdict: Literal["nothing", "activate", "refuse"]
    release: str = ""
    previous: str | None = None
    reason: str = ""
    staging: Staging | None = None
    changes: tuple[str, ...] = ()
    refusal: RaabError | None = None
    restart: bool = False
    take_over: bool = False
    label: str = ""
    front: Fronting | None = None


class Canary(Struct, frozen=True):
    """One host has the release first, with so many percent of the requests for so many seconds; `edges` are told so."""

    host: str
    share: int
    seconds: float
    edges: tuple[HostPlan, ...]


class Plan(Struct, frozen=True):
    """All hosts, and the waves in which those that change are switched; `notes` are lines about all of it,
    `edges` are those that take requests for them, and
    `back` says where a rollback goes afterwards. `migration` is of the database, if there is one; the `canary` is the
    first wave."""

    environment: str
    title: str
    hosts: tuple[HostPlan, ...]
    waves: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    back: str = ""
    migration: Migration | None = None
    edges: tuple[HostPlan, ...] = ()
    canary: Canary | None = None

    def explained(self, told: Mapping[str, tuple[str, ...]]) -> Plan:
        """The same with more lines for people, by the host's name; they decide nothing."""
        return replace(self, hosts=tuple(replace(host, changes=host.changes + told.get(host.host.name, ())) for host in self.hosts))

    @property
    def refused(self) -> tuple[HostPlan, ...]:
        return tuple(plan for plan in (*self.hosts, *self.edges) if plan.verdict == "refuse")

    @property
    def active(self) -> tuple[HostPlan, ...]:
        return tuple(plan for plan in self.hosts if plan.verdict == "activate")

    @property
    def fronting(self) -> tuple[HostPlan, ...]:
        """The edges that are told anything."""
        return tuple(plan for plan in self.edges if plan.verdict == "activate")

    @property
    def labelled(self) -> tuple[HostPlan, ...]:
        """Where a release is noted to be a commit."""
        return tuple(plan for plan in self.hosts if plan.label)


class Operation(Protocol):
    """What changes releases. `release` is empty where only the plan finds it."""

    @property
    def action(self) -> str: ...

    @property
    def release(self) -> str: ...

    @property
    def environment(self) -> Environment: ...

    def disputed(self, facts: Mapping[str, HostFacts]) -> Mapping[str, str]:
        """The hosts of which the plan has to know more closely who listens there, each with a release of which it has to know the packaged
        settings, if there is one."""

    def plan(self, facts: Mapping[str, HostFacts]) -> Plan:
        """What happens on each host."""


def at(host: Host, problem: RaabError) -> RaabError:
    return RaabError(f"host {host.name}: {problem.message}", problem.hint, problem.exit_code)
