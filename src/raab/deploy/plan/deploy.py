"""From what is wanted and what is there to what will be done. Pure: no clock, no file, no host."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from raab import exitcodes, servicename
from raab.deploy.bundle.parts import Bundle, Part
from raab.deploy.bundle.platforms import Platform
from raab.deploy.plan import canary, wayback
from raab.deploy.plan.addresses import taken
from raab.deploy.plan.changes import ahead, changes, maintained
from raab.deploy.plan.edges import edges_of
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.fit import ill_served, unfit
from raab.deploy.plan.migration import planned
from raab.deploy.plan.schema import Wave
from raab.deploy.plan.values import HostPlan, Plan, Staging, Supplies, at
from raab.deploy.plan.wayback import Way
from raab.errors import RaabError
from raab.host.paths import template_name
from raab.protocol import processes
from raab.protocol.facts import InstalledRelease

MIB = 1 << 20
# So many damaged files are named where there may be thousands.
NAMED = 5
# What an unpacked wheel with its bytecode takes, measured at 3.4 times its size; and what must stay free for everybody else.
UNPACKED = 4
MARGIN = 64 * MIB
# Files and folders of a release whose dependencies are linked, counted at some 600, bytecode included.
INODES = 1_000


class Deploy(Struct, frozen=True):
    """Bringing a bundle to an environment's hosts. `supply` finds what their platforms need beside it (raab.deploy.bundle.supplies).

    `program` finds the edges' own.

    `restart`: no process of before is to be left on any host, on those that have the content already neither. `take_over`: whose service it
    was does not matter. `canary`: how many percent of the requests one host gets with it, before the others have it; 0 for no such host.
    """

    environment: Environment
    bundle: Bundle
    supply: Callable[[Mapping[str, HostFacts]], Mapping[str, Supplies]]
    restart: bool = False
    take_over: bool = False
    program: Callable[[Platform], Part] | None = None
    canary: int = 0

    action: ClassVar[str] = "deploy"

    @property
    def release(self) -> str:
        return self.bundle.id

    def disputed(self, facts: Mapping[str, HostFacts]) -> Mapping[str, str]:
        """The hosts on which somebody has an address that the release is to have."""
        return {host.name: "" for host in self.environment.hosts if host.name in facts and taken(self.bundle.settings, facts[host.name])}

    def plan(self, facts: Mapping[str, HostFacts]) -> Plan:
        """A host without facts is left out: it could not be reached."""
        known = [host for host in self.environment.hosts if host.name in facts]
        supplies = self.supply({host.name: facts[host.name] for host in known})
        plans = tuple(told_ahead(self.on(host, facts[host.name], supplies), facts[host.name]) for host in known)
        ways = {each.host.name: Way.of(facts[each.host.name], each.release if each.verdict == "activate" else "") for each in plans}
        active = any(each.verdict == "activate" and each.previous for each in plans)
        back = wayback.told(ways, then=True) if active else ""
        title = f"deploy {self.release} to {self.environment.name}"
        first = canary.planned(self.canary, self.environment, plans, facts)
        rest = tuple(each for each in plans if not first or each.host.name != first.host)
        cut = (*(((first.host,),) if first else ()), *waves(self.environment.settings.waves, rest))
        migrate = self.bundle.migrate
        migration = planned(cut[0][0], migrate, self.bundle.migrations, facts) if migrate and cut else None
        edges = edges_of(self.environment, plans, self.bundle.edge, facts, self.program, self.bundle.static)
        return Plan(self.environment.name, title, plans, cut, self.bundle.notes, back, migration, edges, first)

    def on(self, host: Host, facts: HostFacts, supplies: Mapping[str, Supplies]) -> HostPlan:
        moves = moved(self.bundle, facts, host.name == self.environment.first)
        planned = deploy_host(host, self.bundle, facts, supplies, self.restart or bool(moves), self.take_over)
        planned = wanting(planned, self.environment.name, self.bundle.secrets, facts)
        own = self.bundle.edge.program if self.bundle.edge and not self.bundle.edge.edges else ""
        if planned.verdict == "activate" and (refusal := ill_served(host, own, facts)):
            planned = HostPlan(host, "refuse", planned.release, planned.previous, refusal=refusal)
        return replace(planned, restart=self.restart, take_over=self.take_over, changes=planned.changes + moves)


def moved(bundle: Bundle, facts: HostFacts, here: bool) -> tuple[str, ...]:
    """What becomes of timers that run on one host alone, where that is another one by now."""
    table = processes.table(json.loads(bundle.manifest))
    names = ", ".join(timer.name for timer in table.timers if timer.on == "one")
    if not names or not facts.current or facts.chosen == here:
        return ()
    return (f"{names}: on this host from now on" if here else f"{names}: on another host from now on",)


def told_ahead(planned: HostPlan, facts: HostFacts) -> HostPlan:
    """With what is said of the next start of what the host runs now, where that was asked for."""
    taker = {"activate": "this activation", "nothing": "fab reload", "refuse": "fab reload"}[planned.verdict]
    return replace(planned, changes=planned.changes + ahead(facts, taker) + maintained(facts))


def deploy_host(host: Host, bundle: Bundle, facts: HostFacts, supplies: Mapping[str, Supplies], restart: bool, take_over: bool) -> HostPlan:
    same = facts.release(facts.current)
    mend = facts.damaged if same and same.content == bundle.content else ()
    if facts.running and facts.running.content == bundle.content and not restart and not mend:
        reason = f"{facts.running.id} has the same content and serves"
        return HostPlan(host, "nothing", facts.running.id, facts.current, reason, label=label(facts.running, bundle, facts))
    theirs = foreign(host, bundle, facts) or (None if take_over else taken_by(host, bundle, facts))
    refusal = unfit(host, facts) or theirs or unserved(host, bundle.settings, facts)
    if refusal:
        return HostPlan(host, "refuse", bundle.id, facts.current, refusal=refusal)
    there = facts.with_content(bundle.content)
    if there and not mend:
        named = label(there, bundle, facts)
        return HostPlan(host, "activate", there.id, facts.current, "staged before", changes=changes(bundle, facts), label=named)
    supply = supplies[host.name]
    if supply.problem:
        return HostPlan(host, "refuse", bundle.id, facts.current, refusal=at(host, supply.problem))
    staging = stage(bundle, facts, supply)
    if cramped := no_room(bundle, staging, facts):
        return HostPlan(host, "refuse", bundle.id, facts.current, refusal=at(host, cramped))
    told = (*(f"mend: {line}" for line in mend[:NAMED]), *changes(bundle, facts), *supply.notes)
    return HostPlan(host, "activate", bundle.id, facts.current, staging=staging, changes=told)


def no_room(bundle: Bundle, staging: Staging, facts: HostFacts) -> RaabError | None:
    """Why the host's disk does not take the release."""
    needed = staging.size + UNPACKED * (staging.size if staging.dependencies == "install" else bundle.size) + MARGIN
    if needed > facts.disk_free:
        problem = f"disk: needs {mib(needed)} for the release, got {mib(facts.disk_free)} free"
        return RaabError(problem, "make room below /opt", exitcodes.REFUSED)
    if facts.inodes_free is not None and facts.inodes_free < INODES:
        problem = f"disk: needs {INODES} inodes for the release, got {facts.inodes_free} free"
        return RaabError(problem, "remove files: du --inodes /opt | sort -n", exitcodes.REFUSED)
    return None


def foreign(host: Host, bundle: Bundle, facts: HostFacts) -> RaabError | None:
    """Why the host cannot have a service of that name."""
    return at(host, servicename.taken(bundle.service, facts.foreign)) if facts.foreign else None


def taken_by(host: Host, bundle: Bundle, facts: HostFacts) -> RaabError | None:
    """Why the service is not this project's: another one has it."""
    if not facts.project or facts.project == bundle.project:
        return None
    problem = f"service {bundle.service}: it belongs to another project, got {facts.project} there and {bundle.project} here"
    hint = "is it the right environment? --take-over makes it this project's, such as after a rename"
    return at(host, RaabError(problem, hint, exitcodes.REFUSED))


def label(release: InstalledRelease, bundle: Bundle, facts: HostFacts) -> str:
    """The commit that a release of the same content has become, where that is news to the host."""
    news = release.dirty and not bundle.dirty and release.id not in facts.labels
    return bundle.commit if news else ""


def stage(bundle: Bundle, facts: HostFacts, supply: Supplies) -> Staging:
    linked = template_name((part.sha256 for part in supply.wheels), facts.python, facts.machine) in facts.templates
    assert supply.uv is not None
    wanted = (*bundle.parts, *(() if linked else supply.wheels), supply.uv, *((supply.caddy,) if supply.caddy else ()))
    # Two parts may be the same file under two names; its bytes are sent once.
    lacking = {part.sha256: part for part in wanted if part.sha256 not in facts.cache}
    return Staging(
        tuple(lacking.values()), bundle.manifest_with(supply.wheels, supply.caddy), supply.uv.sha256, "link" if linked else "install"
    )


def wanting(planned: HostPlan, environment: str, secrets: tuple[str, ...], facts: HostFacts) -> HostPlan:
    """The plan, or why the release would not start there: secrets that the host has not been brought."""
    missing = sorted({*secrets} - facts.secrets)
    if not missing or planned.verdict != "activate":
        return planned
    hint = f"fab secrets set {missing[0]} --env {environment} --hosts {planned.host.name}"
    refusal = RaabError(f"secrets: the host lacks what the release needs, got no {', '.join(missing)}", hint, exitcodes.REFUSED)
    return HostPlan(planned.host, "refuse", planned.release, planned.previous, refusal=at(planned.host, refusal))


def unserved(host: Host, packaged: str, facts: HostFacts) -> RaabError | None:
    """Why a release with these settings would serve nobody there."""
    found = taken(packaged, facts)
    return at(host, RaabError("\n".join(found), "name another address, or end what holds it", exitcodes.REFUSED)) if found else None


def waves(wanted: tuple[Wave, ...], plans: tuple[HostPlan, ...]) -> tuple[tuple[str, ...], ...]:
    """Cut the hosts that change into waves. An empty wave is left out."""
    names = tuple(plan.host.name for plan in plans if plan.verdict == "activate")
    cut = []
    done = 0
    for wave in wanted:
        end = wave.upto(len(names))
        if end > done:
            cut.append(names[done:end])
            done = end
    return tuple(cut)


def mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"
