"""What the edges of an environment are told with its hosts' release. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from raab import exitcodes, servicename
from raab.deploy.bundle.parts import Part
from raab.deploy.bundle.platforms import Platform
from raab.deploy.plan.changes import maintained
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.fit import ill_served, unfit
from raab.deploy.plan.values import Fronting, HostPlan, at
from raab.errors import RaabError
from raab.protocol.edge import Caddy, Edge

Program = Callable[[Platform], Part]


def edges_of(
    environment: Environment,
    plans: tuple[HostPlan, ...],
    told: Edge | None,
    facts: Mapping[str, HostFacts],
    program: Program | None,
    static: Part | None = None,
) -> tuple[HostPlan, ...]:
    """With a deploy to the hosts of these plans; `static` are the files that its edges serve by themselves."""
    release = next((plan.release for plan in plans if plan.verdict != "refuse"), "")
    known = [host for host in environment.edges if host.name in facts]
    if not release:
        return ()
    return tuple(_noted(_edge(host, release, environment, told, facts[host.name], program, static), facts[host.name]) for host in known)


def _noted(planned: HostPlan, facts: HostFacts) -> HostPlan:
    return replace(planned, changes=planned.changes + maintained(facts))


def _edge(
    host: Host,
    release: str,
    environment: Environment,
    told: Edge | None,
    facts: HostFacts,
    program: Program | None,
    static: Part | None,
) -> HostPlan:
    if (refusal := _unfit(host, environment.service, facts)) is not None:
        return HostPlan(host, "refuse", release, None, refusal=refusal)
    if told is None:
        return _none(host, facts)
    if (refusal := ill_served(host, told.program, facts)) is not None:
        return HostPlan(host, "refuse", release, None, refusal=refusal)
    assert program is not None
    try:
        part = None if told.program else program(facts.platform)
    except RaabError as error:
        return HostPlan(host, "refuse", release, None, refusal=at(host, error))
    whole = told._replace(caddy=Caddy(part.path.name.split("-")[1], part.sha256)) if part else told
    lacking = tuple(one for one in (part, static) if one and one.sha256 not in facts.cache)
    return _fronts(host, release, Fronting(environment.pool, whole, lacking), facts)


def edges_back(environment: Environment, target: str, plans: tuple[HostPlan, ...], facts: Mapping[str, HostFacts]) -> tuple[HostPlan, ...]:
    """With a rollback of the hosts of these plans, by what each edge was told of the release before."""
    if not target or not any(plan.verdict == "activate" for plan in plans):
        return ()
    back = []
    for host in environment.edges:
        if host.name not in facts:
            continue
        known = facts[host.name]
        if (refusal := _unfit(host, environment.service, known)) is not None:
            back.append(HostPlan(host, "refuse", target, None, refusal=refusal))
        elif known.front is None:
            back.append(HostPlan(host, "nothing", target, None, "it takes no requests for the service"))
        elif target not in known.front.kept:
            problem = RaabError(
                f"edge: it was told nothing of {target}", "deploy that commit again, or another way back", exitcodes.REFUSED
            )
            back.append(HostPlan(host, "refuse", target, known.front.release, refusal=at(host, problem)))
        else:
            back.append(_fronts(host, target, Fronting(environment.pool), known))
    return tuple(_noted(planned, facts[planned.host.name]) for planned in back)


def _unfit(host: Host, service: str, facts: HostFacts) -> RaabError | None:
    """Why it cannot be an edge of the service's and nothing else."""
    if facts.foreign:
        return at(host, servicename.taken(service, facts.foreign))
    if facts.current:
        problem = f"edge: it runs the service by itself, got {facts.current}"
        hint = "`fab remove` takes it off there, by a file that has the host without the role edge"
        return at(host, RaabError(problem, hint, exitcodes.REFUSED))
    return unfit(host, facts)


def _none(host: Host, facts: HostFacts) -> HostPlan:
    if facts.front is None:
        return HostPlan(host, "nothing", reason="no domains are named, and it takes no requests for the service")
    return HostPlan(host, "activate", "", facts.front.release, front=Fronting(()), changes=(f"domains: {_listed(facts)} -> none",))


def _fronts(host: Host, release: str, front: Fronting, facts: HostFacts) -> HostPlan:
    there = facts.front
    if there and there.release == release and there.upstreams == front.upstreams and not there.weights:
        return HostPlan(host, "nothing", release, there.release, f"it takes requests for {release} already")
    changes = []
    if there and front.told and there.domains != front.told.domains:
        changes.append(f"domains: {_listed(facts)} -> {', '.join(front.told.domains)}")
    before = there.upstreams if there else ()
    front = replace(front, before=before)
    changes += [f"into the pool: {one}" for one in front.upstreams if one not in before]
    changes += [f"out of the pool: {one}" for one in before if one not in front.upstreams]
    if there and there.weights:
        changes.append("the same share for all of the pool, after a canary that was cut off")
    return HostPlan(host, "activate", release, there.release if there else None, front=front, changes=tuple(changes))


def _listed(facts: HostFacts) -> str:
    return ", ".join(facts.front.domains) if facts.front else "none"
