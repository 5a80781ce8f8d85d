"""Planning the way back, to releases that hosts have kept. As pure as the plan of a deploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct

from raab import exitcodes
from raab.deploy.plan import wayback
from raab.deploy.plan.deploy import told_ahead, unserved, wanting, waves
from raab.deploy.plan.edges import edges_back
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.fit import unfit
from raab.deploy.plan.migration import ahead
from raab.deploy.plan.values import HostPlan, Plan, at
from raab.deploy.plan.wayback import Way
from raab.errors import RaabError


class Rollback(Struct, frozen=True):
    """The way back: to the release named, or to the last that served on all of an environment's hosts before what serves now."""

    environment: Environment
    release: str = ""

    action: ClassVar[str] = "rollback"

    def disputed(self, facts: Mapping[str, HostFacts]) -> Mapping[str, str]:
        """All that have the release and do not serve it: only they know what it would listen on."""
        target = self.target(facts)
        known = ((host.name, facts[host.name]) for host in self.environment.hosts if host.name in facts)
        return {name: target for name, host in known if host.taken and host.current != target and host.release(target)}

    def target(self, facts: Mapping[str, HostFacts]) -> str:
        """Empty where there is none."""
        return self.release or wayback.target(
            {name: Way.of(facts[name]) for host in self.environment.hosts if (name := host.name) in facts}
        )

    def plan(self, facts: Mapping[str, HostFacts]) -> Plan:
        known = [host for host in self.environment.hosts if host.name in facts]
        ways = {host.name: Way.of(facts[host.name]) for host in known}
        target = self.target(facts)
        plans = tuple(told_ahead(self.on(host, facts[host.name], target, ways), facts[host.name]) for host in known)
        title = f"roll {self.environment.name} back{f' to {target}' if target else ''}"
        cut = waves(self.environment.settings.waves, plans)
        met = ahead(target, facts) if cut else ""
        notes = (f"{met}; see docs/databases.md",) if met else ()
        return Plan(self.environment.name, title, plans, cut, notes, edges=edges_back(self.environment, target, plans, facts))

    def on(self, host: Host, facts: HostFacts, target: str, ways: Mapping[str, Way]) -> HostPlan:
        release = facts.release(target)
        return wanting(rollback_host(host, facts, target, ways), self.environment.name, release.secrets if release else (), facts)


def rollback_host(host: Host, facts: HostFacts, target: str, ways: Mapping[str, Way]) -> HostPlan:
    if facts.running and target == facts.running.id:
        return HostPlan(host, "nothing", target, facts.current, f"{target} serves already")
    refusal = unfit(host, facts)
    if not refusal and not (target in facts.once and facts.release(target)):
        refusal = at(host, unknown(target, facts, ways))
    if refusal := refusal or unserved(host, facts.packaged, facts):
        return HostPlan(host, "refuse", target, facts.current, refusal=refusal)
    return HostPlan(host, "activate", target, facts.current, "kept on the host")


def unknown(target: str, facts: HostFacts, ways: Mapping[str, Way]) -> RaabError:
    choices = [release for release in facts.once if release != facts.current and facts.release(release)]
    there = f"--to can name: {', '.join(choices)}" if choices else "none other that served is kept there"
    if target:
        return RaabError(f"rollback: no such release that once served, got {target}", there, exitcodes.BAD_INPUT)
    if len(ways) > 1:
        got = "; ".join(f"{name}: {', '.join(way.earlier) or 'none'}" for name, way in ways.items())
        problem = f"rollback: no release served on all of these hosts before what serves now, got {got}"
        return RaabError(problem, f"choose some of the hosts with --hosts, or {there}", exitcodes.BAD_INPUT)
    return RaabError("rollback: there is no earlier release that served, got none", there, exitcodes.BAD_INPUT)
