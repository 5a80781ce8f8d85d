"""A release on one host first, with a share of the requests: who that is, by which weights, and where there can be none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from raab.deploy.plan import canary
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts, parse
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import HostPlan
from raab.errors import RaabError
from raab.protocol.facts import Fronted

OLD, NEW = "20260101T000000Z-aaaaaaa", "20260102T000000Z-bbbbbbb"
WEBS = tuple(Host(f"web{number}", f"10.0.0.{number}", 22, "", "", "", ("app",)) for number in (1, 2, 3))
LB = Host("lb1", "10.0.0.9", 22, "", "", "", ("edge",))
POOL = tuple(f"{host.address}:8000" for host in WEBS)
FLEET = Environment("prod", WEBS, False, File(hosts=Hosts(False, {"web1": HostEntry()})), edges=(LB,), pool=POOL)
PLANS = tuple(HostPlan(host, "activate", NEW, OLD) for host in WEBS)
FRONTED = Fronted(OLD, ("a.example",), POOL, (OLD,))
BARE = {
    "python": "3.11.2", "implementation": "CPython", "libc": "glibc 2.36", "machine": "x86_64", "system": "Debian", "uid": 0, "time": 0,
    "disk_free": 1, "disk_total": 1, "inodes_free": None, "systemd": 252, "executable": "/usr/bin/python3",
}  # fmt: skip


def facts(front: Fronted | None = FRONTED) -> dict[str, HostFacts]:
    return {"lb1": parse(BARE)._replace(front=front)}


@pytest.mark.parametrize(("text", "percent"), [("", 0), ("10%", 10), ("1%", 1), ("50", 50)])
def test_a_share_is_a_share(text: str, percent: int) -> None:
    assert canary.share(text) == percent


@pytest.mark.parametrize("text", ["0%", "51%", "-1", "10%%", "a", "%", "²", "1e1", " 10%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(RaabError, match="--canary: needs a share of 1% to 50%"):
        canary.share(text)


@pytest.mark.parametrize("hosts", range(2, 12))
@pytest.mark.parametrize("percent", [1, 10, 33, 50])
def test_one_gets_its_share_and_the_others_the_rest_alike(percent: int, hosts: int) -> None:
    for place in (0, hosts - 1):
        weights = canary.weights(percent, hosts, place)
        assert 100 * weights[place] == percent * sum(weights)
        assert len({*weights[:place], *weights[place + 1 :]}) == 1


def test_the_first_that_changes_is_the_canary() -> None:
    found = canary.planned(10, FLEET, (replace(PLANS[0], verdict="nothing"), *PLANS[1:]), facts())
    assert found and (found.host, found.share, found.seconds) == ("web2", 10, 60.0)
    (edge,) = found.edges
    assert edge.front and (edge.release, edge.front.upstreams, edge.front.weights) == (OLD, POOL, (9, 2, 9))


def test_where_nothing_changes_there_is_none() -> None:
    assert canary.planned(0, FLEET, PLANS, facts()) is None
    assert canary.planned(10, FLEET, tuple(replace(plan, verdict="nothing") for plan in PLANS), facts()) is None
    assert canary.planned(10, FLEET, (replace(PLANS[0], verdict="refuse"), *PLANS[1:]), facts()) is None


@pytest.mark.parametrize(
    ("environment", "front", "why"),
    [
        (replace(FLEET, edges=()), FRONTED, "needs hosts with the role edge"),
        (replace(FLEET, hosts=WEBS[:1]), FRONTED, "needs hosts with the role edge"),
        (replace(FLEET, hosts=WEBS[:2]), FRONTED, "all of them at once"),
        (FLEET, None, "nothing yet that it could be compared with"),
    ],
)
def test_where_there_can_be_none(environment: Any, front: Fronted | None, why: str) -> None:
    with pytest.raises(RaabError, match=why):
        canary.planned(10, environment, PLANS, facts(front))
