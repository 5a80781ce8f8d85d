"""Carrying an operation out: asked, planned, locked, planned again, staged everywhere, switched in waves, or taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from raab.deploy.hosts.fleet import Outcome, everywhere
from raab.deploy.hosts.refusals import ConnectionLost
from raab.deploy.hosts.runner import Progress, Runner
from raab.deploy.inspection.rates import between
from raab.deploy.migrating import Migrating
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.values import Canary, Fronting, HostPlan, Operation, Plan
from raab.deploy.report import outcome
from raab.deploy.report.comparison import Comparison, judged, side
from raab.deploy.report.results import HostReport, Migrated, Report, Result
from raab.errors import RaabError
from raab.protocol.answers import Timed, Workers
from raab.protocol.fields import NONE
from raab.protocol.service import Traffic

# Makes the operation: for a deploy it builds the bundle.
Prepare = Callable[[], Operation]
FIND_OUT = "its activation goes on by itself; `fab status` says what it serves, and the same deploy brings all hosts to one release"


def asked(runner: Runner, prepare: Prepare) -> tuple[Operation, Outcome[HostFacts]]:
    """The operation, and what the hosts tell. They are asked while it is prepared; neither needs the other yet."""
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(runner.facts, True)
        operation = prepare()
        return operation, asking.result()


def planned(runner: Runner, operation: Operation, facts: Mapping[str, HostFacts], told: Mapping[str, str] = NONE) -> Plan:
    """Its plan. Who has an address that is wanted is asked where somebody has, but for hosts that have `told` it, each of that release."""
    wanted = operation.disputed(facts).items()
    return operation.plan({**facts, **runner.closely(dict(wanted - told.items()))})


def carry_out(runner: Runner, prepare: Prepare, wait: float = 0.0) -> Report:
    """Carry an operation out, and plan it again by what is there under the lock. `wait`: seconds that it may wait for another one to end.

    Nothing is switched unless every host could be staged.
    """
    began = time.monotonic()
    migrated: Migrated | None = None
    compared: Comparison | None = None
    operation, facts = asked(runner, prepare)

    def report(plan: Plan, reports: Mapping[str, HostReport]) -> Report:
        made = outcome.report(operation, facts.failed, plan, reports, time.monotonic() - began)
        return replace(made, migrated=migrated, canary=compared)

    # What is disputed is told with the lock. Who is refused already hears why, and by whom.
    plan = operation.plan(facts.done)
    if plan.refused:
        plan = planned(runner, operation, facts.done)
    for note in plan.notes:
        runner.progress("", note)
    if not outcome.worth_it(operation, facts.failed, plan):
        return report(plan, {})
    changing = (host for host in (*plan.hosts, *plan.edges) if host.verdict == "activate" or host.label)
    names = tuple(host.host.name for host in changing)
    wanted = {name: release for name, release in operation.disputed(facts.done).items() if name in names}
    locked = runner.lock(names, f"{operation.action} of {operation.release or 'the previous release'}", wait, wanted)
    plan = planned(runner, operation, {**facts.done, **locked}, wanted)
    if not outcome.worth_it(operation, facts.failed, plan):
        return report(plan, {})
    runner.label(plan)
    if not plan.active and not plan.fronting:
        return report(plan, {})
    staged = runner.stage(plan)
    if staged.failed:
        plans = {host.host.name: host for host in (*plan.hosts, *plan.edges)}
        reports = {name: outcome.told(plans[name], outcome.result_of(error), error) for name, error in staged.failed.items()}
    else:
        reports, migrated = Migrating(runner, plan, plan.migration).carry_out() if plan.migration else ({}, None)
        if not reports:
            waves = Waves(runner, operation, plan)
            reports, compared = waves.carry_out(), waves.compared
    return report(plan, outcome.timed(reports, {name: done.seconds for name, done in staged.done.items()}))


class Waves:
    """One pass over a plan's waves. Every host of the plan has its release staged already."""

    def __init__(self, runner: Runner, operation: Operation, plan: Plan) -> None:
        self.runner = runner
        self.settings = operation.environment.settings
        self.plan = plan
        self.plans = {host.host.name: host for host in plan.active}
        self.action = operation.action
        # Seconds in which edges see that a host is not ready; 0 where there are none.
        self.notice = operation.environment.notice if operation.environment.edges else 0.0
        self.progress: Progress = runner.progress
        self.reports: dict[str, HostReport] = {}
        self.compared: Comparison | None = None

    def carry_out(self) -> dict[str, HostReport]:
        """The report of each host that was touched. After a failure the later waves are left alone."""
        canary = self.plan.canary
        if canary:
            self.share(canary, True)
        for number, wave in enumerate(self.plan.waves, 1):
            if self.any_failed():
                break
            if len(self.plan.waves) > 1:
                self.progress("", f"wave {number} of {len(self.plan.waves)}: {' '.join(wave)}")
            self.switch(wave)
            last = number == len(self.plan.waves)
            if canary and number == 1 and not self.any_failed():
                self.compare(canary)
            elif not last and not self.any_failed():
                self.bake(wave)
        if not self.any_failed():
            self.front()
        if self.any_failed() and self.settings.on_failure == "revert":
            self.revert()
        if self.any_failed() and canary:
            self.share(canary, False)
        return self.reports

    def share(self, canary: Canary, begins: bool) -> None:
        """Have the edges give the canary its share, or each host as much as the others once more. Who has said already what became of it is
        left alone."""
        if begins:
            self.progress("", f"canary: {canary.host} gets {canary.share} % of the requests")
        for plan in canary.edges:
            assert plan.front is not None
            if plan.host.name in self.reports:
                continue
            try:
                self.runner.front(plan if begins else replace(plan, front=replace(plan.front, weights=())))
            except RaabError as error:
                self.reports[plan.host.name] = self.lost(plan, error)

    def compare(self, canary: Canary) -> None:
        """Look at what becomes of the canary's share, and take it back where it does worse than the others."""
        others = tuple(name for name in self.runner.hosts if name != canary.host)
        before = self.counted((canary.host, *others))
        self.progress("", f"canary: comparing for {canary.seconds:g} s")
        time.sleep(canary.seconds)
        after = self.counted((canary.host, *others))
        found = {name: counted for name in before.keys() & after.keys() if (counted := between(before[name], after[name]))}
        problem = self.trouble(canary.host)
        if canary.host in found and found.keys() & {*others}:
            its, theirs = side([found[canary.host]]), side(found[name] for name in others if name in found)
            problem = problem or judged(its, theirs, self.settings.bake_errors)
            self.compared = Comparison(canary.host, canary.share, canary.seconds, its, theirs, problem)
        else:
            problem = problem or "its requests, or the others', could not be counted"
        if problem:
            self.reports[canary.host] = replace(self.reports[canary.host], reason=f"canary: {problem}")
            self.take_back(canary.host, "failed")

    def trouble(self, name: str) -> str:
        """What is wrong with a host's new workers, whatever they have answered; empty for nothing."""
        try:
            return "its workers died" if self.runner.ask(name, "workers", Workers).died else ""
        except RaabError as error:
            return error.message

    def counted(self, names: tuple[str, ...]) -> dict[str, Traffic]:
        return everywhere(names, lambda name: self.runner.ask(name, "traffic", Traffic), self.settings.parallel).done

    def front(self) -> None:
        """Have one edge after the other take requests for what all hosts serve by now; where one does not, those before it go back."""
        for plan in self.plan.fronting:
            try:
                self.reports[plan.host.name] = self.runner.front(plan)
            except RaabError as error:
                self.reports[plan.host.name] = self.lost(plan, error)
                break

    def any_failed(self) -> bool:
        return any(report.result in ("failed", "stranded", "unknown", "unreachable") for report in self.reports.values())

    def switch(self, wave: tuple[str, ...]) -> None:
        drained = self.notice and any(self.plans[name].restart and self.plans[name].previous for name in wave)
        outcome = everywhere(wave, self.in_turn if drained else self.activate, 1 if drained else self.settings.parallel)
        self.reports.update(outcome.done)
        for name, error in outcome.failed.items():
            self.reports[name] = self.lost(self.plans[name], error)

    def activate(self, name: str) -> HostReport:
        return self.runner.activate(self.plans[name], self.action)

    def in_turn(self, name: str) -> HostReport:
        """One host after another, for each is out of the edges' pool while it restarts, and the next one leaves when it is back."""
        if self.any_failed():
            return replace(self.runner.base(self.plans[name]), reason="another host did not take the release")
        self.runner.ask(name, "drain", Timed, lasts=True, quiet=self.notice)
        self.reports[name] = report = self.activate(name)
        try:
            self.runner.ask(name, "undrain", Timed, lasts=True)
        except RaabError as error:
            self.reports[name] = replace(report, reason=error.message, hint=error.hint)
            if report.result == "deployed":
                self.take_back(name, "failed")
        time.sleep(self.notice)
        return self.reports[name]

    def lost(self, plan: HostPlan, error: RaabError) -> HostReport:
        """A host that gave no verdict. What it says itself it says before anything is switched; of one that is gone nothing is known."""
        base = self.runner.base(plan)
        if isinstance(error, ConnectionLost):
            return replace(base, result="unknown", release="unknown", reason=error.message, hint=FIND_OUT)
        return replace(base, result="failed", reason=error.message, hint=error.hint)

    def bake(self, wave: tuple[str, ...]) -> None:
        """Wait, then look whether workers of the new generation have died, and how many of its answers were errors. All that it has ever
        done counts: it is new."""
        if not self.settings.bake:
            return
        self.progress("", f"baking for {self.settings.bake:g} s")
        time.sleep(self.settings.bake)
        looked = everywhere(wave, lambda name: self.runner.ask(name, "workers", Workers), self.settings.parallel)
        for name in wave:
            problem = looked.failed[name].message if name in looked.failed else spoilt(looked.done[name], self.settings.bake_errors)
            if problem:
                self.reports[name] = replace(self.reports[name], reason=problem)
                self.take_back(name, "failed")

    def revert(self) -> None:
        """Take back the hosts that were switched before the failure; the failed ones went back by themselves."""
        done = [name for name, report in self.reports.items() if report.result in ("deployed", "rolled back")]
        for plan in self.plan.fronting:
            if plan.host.name in done:
                self.front_back(plan)
        switched = [name for name in done if name in self.plans]
        everywhere(switched, self.take_back, self.settings.parallel)

    def front_back(self, plan: HostPlan) -> None:
        """Have an edge do what it did."""
        name, front = plan.host.name, Fronting(plan.front.before if plan.front else ())
        try:
            self.runner.front(HostPlan(plan.host, "activate", plan.previous or "", plan.release, front=front))
            back: Result = "reverted"
            self.reports[name] = replace(self.reports[name], result=back, release=plan.previous, reason="another edge did not take it")
        except RaabError as error:
            told = f"it could not be told what it was told before: {error.message}"
            self.reports[name] = replace(self.reports[name], result="stranded", reason=told, hint=error.hint)

    def take_back(self, name: str, result: Result = "reverted") -> None:
        """Return one host to what it served before; `result` is what its report says when that worked."""
        plan = self.plans[name]
        if plan.previous is None:
            # Its first deploy: there is nothing to go back to, and what it has does serve.
            kept: Result = "deployed" if result == "reverted" else result
            self.reports[name] = replace(self.reports[name], result=kept)
            return
        back = HostPlan(plan.host, "activate", plan.previous, plan.release)
        try:
            # Not what it is taken back to, where it was only restarted.
            report = self.runner.activate(back, "revert", condemn=plan.release if plan.release != plan.previous else "")
        except RaabError as error:
            report = replace(self.lost(plan, error), release="unknown" if isinstance(error, ConnectionLost) else plan.release)
        reason = self.reports[name].reason or "another host did not take the release"
        if report.result == "deployed":
            self.reports[name] = replace(self.reports[name], result=result, release=plan.previous, reason=reason)
            return
        bad: Result = "unknown" if report.result == "unknown" else "stranded"
        problem = f"{reason}\nand it could not be taken back: {report.reason}"
        self.reports[name] = replace(self.reports[name], result=bad, release=report.release, reason=problem, hint=report.hint)


def spoilt(look: Workers, allowed: float) -> str:
    """What went wrong on a host, in words; empty for nothing. `allowed` is how many percent of the requests may have been errors."""
    if look.died:
        return f"bake: workers died, got {look.died}"
    if look.errors > look.requests * allowed / 100:
        return f"bake: more than {allowed:g} % of the answers were errors, got {look.errors} of {look.requests}"
    return ""
