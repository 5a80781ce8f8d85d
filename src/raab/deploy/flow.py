"""The two operations that change releases, each from its beginning to its report: read, plan, run, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.hosts.fleet import Outcome
from raab.deploy.hosts.runner import Progress, Runner
from raab.deploy.plan import addresses
from raab.deploy.plan import deploy as plan
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.rollback import plan_rollback
from raab.deploy.plan.values import HostPlan, Plan
from raab.deploy.report.results import HostReport, Report, Result
from raab.deploy.waves import Waves
from raab.errors import RaabError

if TYPE_CHECKING:
    from raab.deploy.bundle.parts import Bundle

Planner = Callable[[Mapping[str, HostFacts]], Plan]
ShowPlan = Callable[[Plan], None]


class Operation(Struct, frozen=True):
    """One deploy or rollback of an environment; `wait` is how many seconds it may wait for another one to end."""

    root: Path
    environment: Environment
    progress: Progress
    wait: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def deploy(self, only_plan: ShowPlan | None = None, restart: bool = False, take_over: bool = False) -> Report:
        """Bring the working tree's release to every host. With `only_plan` the plan is handed over instead, and nothing is changed.

        `restart`: by a restart of the service, which ends every process of before. `take_over`: also of a service of another project.
        """
        # Here and not above: a rollback builds and sends nothing.
        from raab.deploy.bundle.build import build
        from raab.deploy.bundle.supplies import supply

        if not only_plan:
            self.environment.claim()
        with Runner(self.environment, self.progress) as runner, ThreadPoolExecutor(1) as pool:
            # The hosts are asked while the bundle is built; neither needs the other yet.
            asking = pool.submit(runner.facts)
            bundle = build(self.root)
            if not only_plan:
                for note in bundle.notes:
                    self.progress("", note)

            def planner(facts: Mapping[str, HostFacts]) -> Plan:
                facts = runner.ahead(facts) if only_plan else facts
                told = self.differences(runner, bundle, facts) if only_plan else {}
                # Who has an address that is wanted is asked where somebody has.
                facts = {**facts, **runner.closely(name for name, host in facts.items() if addresses.taken(bundle.settings, host))}
                return plan.deploy(self.environment, bundle, facts, supply(self.root, bundle, facts), told, restart, take_over)

            return self.carry_out(runner, "deploy", bundle.id, asking.result(), planner, only_plan)

    def differences(self, runner: Runner, bundle: Bundle, facts: Mapping[str, HostFacts]) -> dict[str, tuple[str, ...]]:
        """What the bundle changes on each host that runs something else, for people."""
        from raab.deploy.bundle.checkout import titles
        from raab.deploy.bundle.files import texts
        from raab.deploy.plan.differences import between

        new = texts(bundle)
        running = {name: release for name, host in facts.items() if (release := host.release(host.current))}
        return {
            name: between(runner.texts(name), new, titles(self.root, facts[name].commit(release), bundle.commit))
            for name, release in running.items()
            if release.content != bundle.content
        }

    def rollback(self, to: str, only_plan: ShowPlan | None = None) -> Report:
        """Take every host back to a release that it has kept."""
        if not only_plan:
            self.environment.claim()
        with Runner(self.environment, self.progress) as runner:

            def planner(facts: Mapping[str, HostFacts]) -> Plan:
                return plan_rollback(self.environment, runner.ahead(facts) if only_plan else facts, to)

            return self.carry_out(runner, "rollback", to, runner.facts(), planner, only_plan)

    def carry_out(
        self,
        runner: Runner,
        action: str,
        release: str,
        facts: Outcome[HostFacts],
        planner: Planner,
        only_plan: ShowPlan | None,
    ) -> Report:
        """Plan, lock, plan again by what is there under the lock, stage everywhere, then switch in waves.

        Nothing is switched unless every host could be staged.
        """
        planned = planner(facts.done)
        if only_plan:
            only_plan(planned)
            return self.report("plan", release, facts, planned, {})
        if not self.worth_it(facts, planned):
            return self.report(action, release, facts, planned, {})
        names = tuple(host.host.name for host in planned.hosts if host.verdict == "activate" or host.label)
        locked = runner.lock(names, f"{action} of {release or 'the previous release'}", self.wait)
        planned = planner({**facts.done, **locked})
        if not self.worth_it(facts, planned):
            return self.report(action, release, facts, planned, {})
        runner.label(planned)
        if not planned.active:
            return self.report(action, release, facts, planned, {})
        staged = runner.stage(planned)
        if staged.failed:
            plans = {host.host.name: host for host in planned.hosts}
            reports = {name: told(plans[name], result_of(error), error) for name, error in staged.failed.items()}
        else:
            reports = Waves(runner, self.environment, planned, action, self.progress).carry_out()
        return self.report(action, release, facts, planned, timed(reports, {name: done.seconds for name, done in staged.done.items()}))

    def worth_it(self, facts: Outcome[HostFacts], planned: Plan) -> bool:
        """Whether anything is to be done, and all that it needs is given."""
        allowed = self.environment.settings.max_unreachable
        return bool(planned.active or planned.labelled) and not planned.refused and len(facts.failed) <= allowed

    def report(self, action: str, release: str, facts: Outcome[HostFacts], planned: Plan, reports: Mapping[str, HostReport]) -> Report:
        """One line a host, in the environment's order, and the exit code that fits the worst of them."""
        plans = {host.host.name: host for host in planned.hosts}
        rows = []
        for host in self.environment.hosts:
            if host.name in reports:
                rows.append(reports[host.name])
            elif host.name in facts.failed:
                rows.append(not_asked(host, facts.failed[host.name]))
            else:
                rows.append(untouched(plans[host.name]))
        seconds = time.monotonic() - self.began
        # A rollback that names no release finds it in the plan.
        release = release or next((host.release for host in planned.hosts if host.release), "")
        return Report(self.environment.name, action, release, self.exit_code(facts, planned, reports), tuple(rows), seconds)

    def exit_code(self, facts: Outcome[HostFacts], planned: Plan, reports: Mapping[str, HostReport]) -> int:
        results = {report.result for report in reports.values()}
        for result, code in WORST_FIRST:
            if result in results:
                return code
        refusals = [host.refusal.exit_code for host in planned.refused if host.refusal]
        refusals += [error.exit_code for error in facts.failed.values() if error.exit_code != exitcodes.UNREACHABLE]
        if refusals:
            return refusals[0]
        return exitcodes.UNREACHABLE if len(facts.failed) > self.environment.settings.max_unreachable else exitcodes.DONE


WORST_FIRST: tuple[tuple[Result, int], ...] = (
    ("stranded", exitcodes.STRANDED),
    ("failed", exitcodes.FAILED),
    ("reverted", exitcodes.FAILED),
    ("unreachable", exitcodes.UNREACHABLE),
    ("refused", exitcodes.REFUSED),
)


def timed(reports: Mapping[str, HostReport], stage_seconds: Mapping[str, float]) -> dict[str, HostReport]:
    return {name: replace(report, stage_seconds=stage_seconds.get(name, 0.0)) for name, report in reports.items()}


def result_of(error: RaabError) -> Result:
    return "unreachable" if error.exit_code == exitcodes.UNREACHABLE else "refused"


def not_asked(host: Host, error: RaabError) -> HostReport:
    """A host that could not tell its facts."""
    return HostReport(host.name, host.address, result_of(error), reason=error.message, hint=error.hint)


def untouched(plan: HostPlan) -> HostReport:
    """A host on which nothing was done, by plan or because of another one."""
    if plan.refusal:
        return told(plan, "refused", plan.refusal)
    result: Result = "unchanged" if plan.verdict == "nothing" else "untouched"
    return HostReport(plan.host.name, plan.host.address, result, plan.previous, plan.previous, plan.reason)


def told(plan: HostPlan, result: Result, error: RaabError) -> HostReport:
    """A host that serves what it served, and why."""
    return HostReport(plan.host.name, plan.host.address, result, plan.previous, plan.previous, error.message, error.hint)
