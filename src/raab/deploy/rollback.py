"""Planning the way back, to releases that hosts have kept. As pure as the plan of a deploy."""

from __future__ import annotations

from collections.abc import Mapping

from raab.deploy import exitcodes
from raab.deploy.environment import Environment, Host
from raab.deploy.hostfacts import HostFacts
from raab.deploy.plan import HostPlan, Plan, at, told_ahead, unfit, waves
from raab.errors import RaabError


def plan_rollback(environment: Environment, facts: Mapping[str, HostFacts], to: str = "") -> Plan:
    """Plan the way back: to the release named, or on each host to the one that served before its current one."""
    known = (host for host in environment.hosts if host.name in facts)
    plans = tuple(told_ahead(rollback_host(host, facts[host.name], to), facts[host.name]) for host in known)
    return Plan(
        environment.name, f"roll {environment.name} back{f' to {to}' if to else ''}", plans, waves(environment.settings.waves, plans)
    )


def rollback_host(host: Host, facts: HostFacts, to: str) -> HostPlan:
    choices = tuple(release for release in facts.served if facts.release(release))
    earlier = choices[: choices.index(facts.current)] if facts.current in choices else choices
    target = to or (earlier[-1] if earlier else "")
    if facts.running and target == facts.running.id:
        return HostPlan(host, "nothing", target, facts.current, f"{target} serves already")
    refusal = unfit(host, facts)
    if not refusal and target not in choices:
        refusal = at(host, unknown(target, tuple(release for release in choices if release != facts.current)))
    if refusal:
        return HostPlan(host, "refuse", target, facts.current, refusal=refusal)
    return HostPlan(host, "activate", target, facts.current, "kept on the host")


def unknown(target: str, choices: tuple[str, ...]) -> RaabError:
    there = f"to choose from: {', '.join(choices)}" if choices else "none other that served is kept there"
    if target:
        return RaabError(f"rollback: no such release that once served, got {target}", there, exitcodes.BAD_INPUT)
    return RaabError("rollback: there is no earlier release that served, got none", there, exitcodes.BAD_INPUT)
