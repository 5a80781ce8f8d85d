"""A release on one host first, with a share of the requests, beside the others that serve what they served. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

from raab import exitcodes
from raab.deploy.plan.environment import Environment
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.values import Canary, Fronting, HostPlan
from raab.errors import RaabError

# In percent.
LARGEST = 50
# For which it is looked at where the environment's `bake` says nothing.
SECONDS = 60.0


def share(text: str) -> int:
    """In percent, of what somebody has typed; 0 for nothing."""
    number = text.removesuffix("%")
    if not text:
        return 0
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= LARGEST):
        raise RaabError(f"--canary: needs a share of 1% to {LARGEST}%, got {text}", "such as 10%", exitcodes.BAD_INPUT)
    return int(number)


def planned(percent: int, environment: Environment, plans: tuple[HostPlan, ...], facts: Mapping[str, HostFacts]) -> Canary | None:
    """None where nothing changes, or somebody is refused.

    Raises RaabError where there is nobody to compare it with, or to give it its share.
    """
    active = [plan for plan in plans if plan.verdict == "activate"]
    if not percent or not active or any(plan.verdict == "refuse" for plan in plans):
        return None
    if not environment.edges or len(environment.hosts) < 2 or len(environment.hosts) != len(environment.pool):
        problem = "--canary: needs hosts with the role edge, which give it its share, and two others or more, all of them at once"
        raise RaabError(problem, "`waves: [1, 100%]` and `bake: 60` look at the first host without edges", exitcodes.REFUSED)
    fronted = {edge.name: facts[edge.name].front for edge in environment.edges if edge.name in facts}
    serve = [plan.host.name for plan in active if plan.previous]
    if not serve or len(fronted) < len(environment.edges) or None in fronted.values():
        problem = "--canary: there is nothing yet that it could be compared with: the hosts serve nothing through their edges"
        raise RaabError(problem, "deploy without it once", exitcodes.REFUSED)
    place = [host.name for host in environment.hosts].index(serve[0])
    front = Fronting(environment.pool, weights=weights(percent, len(environment.pool), place))
    edges = tuple(
        HostPlan(edge, "activate", known.release, known.release, front=front)
        for edge in environment.edges
        if (known := fronted[edge.name]) is not None
    )
    return Canary(serve[0], percent, environment.settings.bake or SECONDS, edges)


def weights(percent: int, hosts: int, place: int) -> tuple[int, ...]:
    """By which the one at that place gets so many percent, and the others the rest in equal parts."""
    its, others = percent * (hosts - 1), 100 - percent
    common = gcd(its, others)
    return tuple((its if number == place else others) // common for number in range(hosts))
