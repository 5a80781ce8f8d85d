"""Waves over hosts that are played by the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec.structs import replace

from raab.deploy.hosts.refusals import ConnectionLost
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import Canary, Fronting, HostPlan, Plan
from raab.deploy.report.results import HostReport
from raab.deploy.run import Waves, spoilt
from raab.errors import RaabError
from raab.metrics.layout import BOUNDS
from raab.protocol.answers import Workers
from raab.protocol.service import Traffic

NAMES = ("a", "b", "c", "d")


@dataclass
class Played:
    """Stands for the runner: hosts in `broken` do not take the release, those in `stuck` do not take it back either."""

    broken: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    refusing: tuple[str, ...] = ()
    looks: dict[str, list[Workers]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def base(self, plan: HostPlan) -> HostReport:
        return HostReport(plan.host.name, "", "untouched", plan.previous, plan.previous)

    def activate(self, plan: HostPlan, action: str, condemn: str = "") -> HostReport:
        name = plan.host.name
        self.log.append(f"{action} {plan.release} on {name}" + (f", condemn {condemn}" if condemn else ""))
        if name in self.silent:
            raise ConnectionLost("no verdict", exit_code=3)
        if name in self.refusing:
            raise RaabError("another activation is at work", exit_code=6)
        bad = name in (self.broken if action == "deploy" else self.stuck)
        report = self.base(plan)
        return replace(report, result="failed", reason="broken") if bad else replace(report, result="deployed", release=plan.release)

    def front(self, plan: HostPlan) -> HostReport:
        name = plan.host.name
        self.log.append(f"front {plan.release or 'nothing'} on {name}")
        if name in self.broken and plan.release == "new":
            raise RaabError("edge: Caddy refuses its configuration")
        return replace(self.base(plan), result="deployed", release=plan.release)

    def progress(self, host: str, text: str) -> None:
        """Nobody listens."""

    def ask(self, name: str, operation: str, *_: object, **_values: Any) -> Workers:
        self.log.append(f"{operation} on {name}")
        looks = self.looks.get(name, [])
        return looks.pop(0) if looks else look()


class Operation(NamedTuple):
    """What is known of one when its plan is carried out."""

    action: str
    environment: Environment


def look(died: int = 0, requests: int = 0, errors: int = 0) -> Workers:
    return Workers(died, requests, errors)


def run(played: Played, previous: str | None = "old", action: str = "deploy", **settings: Any) -> dict[str, str]:
    return {name: report.result for name, report in reports(played, previous, action, **settings).items()}


def reports(played: Played, previous: str | None = "old", action: str = "deploy", **settings: Any) -> dict[str, HostReport]:
    hosts = tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in NAMES)
    environment = Environment("prod", hosts, False, File(hosts=Hosts(False, {name: HostEntry() for name in NAMES}), parallel=1, **settings))
    plans = tuple(HostPlan(host, "activate", "new", previous) for host in hosts)
    planned = Plan("prod", "", plans, (("a",), ("b", "c"), ("d",)))
    return Waves(played, Operation(action, environment), planned).carry_out()  # type: ignore[arg-type]


def test_wave_after_wave() -> None:
    played = Played()
    assert run(played) == dict.fromkeys(NAMES, "deployed")
    assert played.log == [f"deploy new on {name}" for name in NAMES]


EDGES = tuple(
    HostPlan(
        Host(name, "", 22, "root", "", "", ("edge",)),
        "activate",
        "new",
        "old",
        front=Fronting(("10.0.0.1:8000",), before=("10.0.0.1:8000",)),
    )
    for name in ("lb1", "lb2")
)


def fleet(played: Played, restart: bool = False, **settings: Any) -> dict[str, str]:
    """Two hosts and two edges."""
    hosts = tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in ("a", "b"))
    file = File(hosts=Hosts(False, {name: HostEntry() for name in ("a", "b")}), drain=0.001, **settings)
    plans = tuple(HostPlan(host, "activate", "new", "old", restart=restart) for host in hosts)
    planned = Plan("prod", "", plans, (("a", "b"),), edges=EDGES)
    environment = Environment("prod", hosts, False, file, edges=tuple(edge.host for edge in EDGES))
    done = Waves(played, Operation("deploy", environment), planned).carry_out()  # type: ignore[arg-type]
    return {name: report.result for name, report in done.items()}


def test_edges_follow_all_hosts_and_one_that_does_not_leaves_all_as_they_were() -> None:
    played = Played()
    assert fleet(played) == dict.fromkeys(("a", "b", "lb1", "lb2"), "deployed")
    assert played.log[2:] == ["front new on lb1", "front new on lb2"]
    played = Played(broken=("lb2",))
    assert fleet(played) == {"a": "reverted", "b": "reverted", "lb1": "reverted", "lb2": "failed"}
    assert played.log[4] == "front old on lb1" and sorted(played.log[5:]) == [f"revert old on {name}, condemn new" for name in "ab"]
    played = Played(broken=("b",))
    assert fleet(played) == {"a": "reverted", "b": "failed"} and not any("front" in line for line in played.log)
    assert fleet(Played(broken=("lb2",)), on_failure="stop") == {"a": "deployed", "b": "deployed", "lb1": "deployed", "lb2": "failed"}


def test_a_restart_behind_edges_takes_one_host_after_another_out_of_the_pool() -> None:
    played = Played()
    assert set(fleet(played, restart=True).values()) == {"deployed"}
    turns = [[f"drain on {name}", f"deploy new on {name}", f"undrain on {name}"] for name in "ab"]
    assert played.log[:6] == turns[0] + turns[1]
    played = Played(broken=("a",))
    assert fleet(played, restart=True) == {"a": "failed", "b": "untouched"} and not any(line.endswith(" on b") for line in played.log)


def test_a_failed_wave_takes_back_those_before_it_and_leaves_those_after_it_alone() -> None:
    """The failed host has gone back by itself; the taken-back ones mark the release as failed."""
    played = Played(broken=("c",))
    assert run(played) == {"a": "reverted", "b": "reverted", "c": "failed"}
    assert played.log[3:] == ["revert old on a, condemn new", "revert old on b, condemn new"]


def test_stop_leaves_what_was_switched() -> None:
    played = Played(broken=("b",))
    assert run(played, on_failure="stop") == {"a": "deployed", "b": "failed", "c": "deployed"}


def test_a_host_that_cannot_be_taken_back_is_stranded() -> None:
    assert run(Played(broken=("b",), stuck=("a",)))["a"] == "stranded"


def test_of_a_host_that_gives_no_verdict_nothing_is_known_and_the_others_are_taken_back() -> None:
    """Nobody is called stranded of whom nothing is known; how to find out is said."""
    assert run(Played(silent=("b",))) == {"a": "reverted", "b": "unknown", "c": "reverted"}
    assert "`fab status` says what it serves" in reports(Played(silent=("b",)))["b"].hint


def test_a_host_that_refuses_serves_what_it_served() -> None:
    """Whatever it says instead of a verdict, it says before anything is switched; where it was to be taken back, it was switched."""
    told = reports(Played(refusing=("b",)))["b"]
    assert (told.result, told.release, told.reason) == ("failed", "old", "another activation is at work")
    played = Played(looks={"a": [look(died=1)]})
    activate = played.activate
    played.activate = lambda plan, action, condemn="": activate(replace_host(plan, action), action, condemn)  # type: ignore[method-assign]
    played.refusing = ("taken back",)
    told = reports(played, bake=0.01)["a"]
    assert (told.result, told.release) == ("stranded", "new")


def test_what_a_host_serves_that_gives_no_verdict_is_unknown() -> None:
    """Not what it served before: nobody knows that it still does. The same after a take-back that nobody heard the end of."""
    assert reports(Played(silent=("b",)))["b"].release == "unknown"
    played = Played(looks={"a": [look(died=1)]})
    told = played.activate
    played.activate = lambda plan, action, condemn="": told(replace_host(plan, action), action, condemn)  # type: ignore[method-assign]
    played.silent = ("taken back",)
    assert reports(played, bake=0.01)["a"].release == "unknown"


def replace_host(plan: HostPlan, action: str) -> HostPlan:
    return replace(plan, host=replace(plan.host, name="taken back")) if action == "revert" else plan


def test_a_first_deploy_has_nothing_to_be_taken_back_to() -> None:
    """Its new release does serve there, so it stays."""
    played = Played(broken=("b",))
    assert run(played, previous=None)["a"] == "deployed"
    assert not any(line.startswith("revert") for line in played.log)


def test_workers_that_die_while_baking_fail_the_wave() -> None:
    """A worker of the new generation: the host is taken back, the next wave does not begin."""
    played = Played(looks={"a": [look(died=1)]})
    assert run(played, bake=0.01) == {"a": "failed"}
    assert "revert old on a, condemn new" in played.log
    assert "deploy new on b" not in played.log


def test_errors_while_baking_fail_the_wave() -> None:
    """A few are let be: how many, the environment says."""
    looks = [look(requests=200, errors=3)]
    played = Played(looks={"a": [*looks]})
    assert run(played, bake=0.01) == {"a": "failed"}
    assert "deploy new on b" not in played.log
    assert run(Played(looks={"a": [*looks]}), bake=0.01, bake_errors=2.0) == dict.fromkeys(NAMES, "deployed")


def test_what_spoils_a_bake_is_told() -> None:
    assert spoilt(Workers(2, 0, 0), 1) == "bake: workers died, got 2"
    assert spoilt(Workers(0, 200, 3), 1) == "bake: more than 1 % of the answers were errors, got 3 of 200"
    # No traffic at all is no reason.
    assert spoilt(Workers(0, 0, 0), 0) == spoilt(Workers(0, 200, 2), 1) == ""


class Canaried(Played):
    """Two hosts behind an edge. Each time that they are asked, `answered` more requests have come to each, and of these so many errors."""

    hosts = ("a", "b")
    errors: tuple[int, int] = (0, 0)
    at = 0

    def front(self, plan: HostPlan) -> HostReport:
        assert plan.front is not None
        self.log.append(f"weights {plan.front.weights} on {plan.host.name}")
        return super().front(plan)

    def progress(self, host: str, text: str) -> None:
        self.log.append(text)

    def ask(self, name: str, operation: str, *words: object, **values: Any) -> Any:
        if operation != "traffic":
            return super().ask(name, operation, *words, **values)
        self.at += 1
        # Each of the two is asked twice, one after the other.
        step = (self.at + 1) // 2 - 1
        return Traffic(1.0 + step, step * self.errors[self.hosts.index(name)], (step * 200, *(0,) * len(BOUNDS)))


def canaried(played: Canaried) -> tuple[dict[str, str], Waves]:
    hosts = tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in "ab")
    lb = Host("lb", "", 22, "root", "", "", ("edge",))
    environment = Environment("prod", hosts, False, File(hosts=Hosts(False, {"a": HostEntry()}), parallel=1), edges=(lb,))
    edge = HostPlan(lb, "activate", "old", "old", front=Fronting(("a", "b"), weights=(1, 9)))
    plans = tuple(HostPlan(host, "activate", "new", "old") for host in hosts)
    told = (HostPlan(lb, "activate", "new", "old", front=Fronting(("a", "b"))),)
    planned = Plan("prod", "", plans, (("a",), ("b",)), edges=told, canary=Canary("a", 10, 0.01, (edge,)))
    waves = Waves(played, Operation("deploy", environment), planned)  # type: ignore[arg-type]
    return {name: report.result for name, report in waves.carry_out().items()}, waves


def test_a_canary_goes_on_to_the_others_who_then_get_as_much() -> None:
    played = Canaried()
    results, waves = canaried(played)
    assert results == dict.fromkeys(("a", "b", "lb"), "deployed")
    assert waves.compared and waves.compared.problem == "" and waves.compared.canary.requests == waves.compared.rest.requests == 200
    assert [line for line in played.log if line.startswith(("weights", "deploy"))] == [
        "weights (1, 9) on lb", "deploy new on a", "deploy new on b", "weights () on lb",
    ]  # fmt: skip


def test_a_canary_goes_back_and_says_why() -> None:
    """By what it has answered, or since its workers died: the comparison and the report say the same, and nobody else is begun with."""
    failing = Canaried()
    failing.errors = (9, 0)
    for played, why in ((failing, "4.50 % of its answers were errors"), (Canaried(looks={"a": [look(died=1)]}), "its workers died")):
        results, waves = canaried(played)
        assert results == {"a": "failed"} and waves.compared
        assert why in waves.compared.problem and why in waves.compared.lines and why in waves.reports["a"].reason
        assert played.log[-3:] == ["revert old on a, condemn new", "weights () on lb", "front old on lb"]
        assert "wave 1 of 2: a" in played.log and "wave 2 of 2: b" not in played.log
