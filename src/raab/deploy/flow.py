"""The two operations that change releases, each from its beginning to its report: read, plan, run, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

from raab.deploy import exitcodes, plan, wheels
from raab.deploy.bundle import Bundle, build
from raab.deploy.environment import Environment
from raab.deploy.fleet import Outcome
from raab.deploy.hostfacts import HostFacts
from raab.deploy.plan import HostPlan, Plan, Supplies
from raab.deploy.report import HostReport, Report
from raab.deploy.run import Progress, Runner
from raab.deploy.waves import Waves
from raab.errors import RaabError


class Operation:
    """One deploy or rollback. `carry_out` is the table of contents."""

    def __init__(self, root: Path, environment: Environment, progress: Progress, wait: float = 0.0) -> None:
        self.root = root
        self.environment = environment
        self.progress = progress
        self.wait = wait
        self.began = time.monotonic()

    def deploy(self, only_plan: Callable[[Plan], None] | None = None) -> Report:
        """Bring the working tree's release to every host. With `only_plan` the plan is handed over instead, and nothing is changed."""
        with Runner(self.environment, self.progress) as runner, ThreadPoolExecutor(1) as pool:
            # The hosts are asked while the bundle is built; neither needs the other yet.
            asking = pool.submit(runner.facts)
            bundle = build(self.root)
            facts = asking.result()
            supplies = supply(self.root, bundle, facts.done)
            planned = plan.deploy(self.environment, bundle, facts.done, supplies)
            if only_plan:
                only_plan(planned)
                return self.report("plan", bundle.id, facts, planned, {})
            return self.carry_out(runner, "deploy", bundle.id, bundle.manifest, facts, planned)

    def rollback(self, to: str, only_plan: Callable[[Plan], None] | None = None) -> Report:
        """Take every host back to a release that it has kept."""
        with Runner(self.environment, self.progress) as runner:
            facts = runner.facts()
            planned = plan.rollback(self.environment, facts.done, to)
            if only_plan:
                only_plan(planned)
                return self.report("plan", to, facts, planned, {})
            return self.carry_out(runner, "rollback", to, "", facts, planned)

    def carry_out(self, runner: Runner, action: str, release: str, manifest: str, facts: Outcome[HostFacts], planned: Plan) -> Report:
        """Lock, stage everywhere, then switch in waves. Nothing is switched unless every host could be staged."""
        too_many = len(facts.failed) > self.environment.settings.max_unreachable
        if planned.refused or too_many or not planned.active:
            return self.report(action, release, facts, planned, {})
        runner.lock(tuple(host.host.name for host in planned.active), f"{action} of {release or 'the previous release'}", self.wait)
        staged = runner.stage(planned, manifest)
        if staged.failed:
            return self.report(
                action, release, facts, planned, {name: failed(planned, name, error) for name, error in staged.failed.items()}
            )
        reports = Waves(runner, self.environment, planned, action, self.progress).carry_out()
        timed = {
            name: replace(report, stage_seconds=staged.done[name]["seconds"]) if name in staged.done else report
            for name, report in reports.items()
        }
        return self.report(action, release, facts, planned, timed)

    def report(self, action: str, release: str, facts: Outcome[HostFacts], planned: Plan, reports: Mapping[str, HostReport]) -> Report:
        """One line a host, in the environment's order, and the exit code that fits the worst of them."""
        plans = {host.host.name: host for host in planned.hosts}
        rows = []
        for host in self.environment.hosts:
            if host.name in reports:
                rows.append(reports[host.name])
            elif host.name in facts.failed:
                error = facts.failed[host.name]
                unreachable = error.exit_code == exitcodes.UNREACHABLE
                rows.append(
                    HostReport(host.name, host.address, "unreachable" if unreachable else "refused", reason=error.message, hint=error.hint)
                )
            else:
                rows.append(untouched(plans[host.name]))
        return Report(
            self.environment.name, action, release, self.exit_code(facts, planned, reports), tuple(rows), time.monotonic() - self.began
        )

    def exit_code(self, facts: Outcome[HostFacts], planned: Plan, reports: Mapping[str, HostReport]) -> int:
        results = {report.result for report in reports.values()}
        if "stranded" in results:
            return exitcodes.STRANDED
        if results & {"failed", "reverted"}:
            return exitcodes.FAILED
        if "refused" in results:
            return exitcodes.REFUSED
        refusals = [host.refusal.exit_code for host in planned.refused if host.refusal]
        refusals += [error.exit_code for error in facts.failed.values() if error.exit_code != exitcodes.UNREACHABLE]
        if refusals:
            return refusals[0]
        return exitcodes.UNREACHABLE if len(facts.failed) > self.environment.settings.max_unreachable else exitcodes.DONE


def supply(root: Path, bundle: Bundle, facts: Mapping[str, HostFacts]) -> dict[str, Supplies]:
    """The wheels for each host's platform; each platform is looked at once. Only for hosts that will need them."""
    known: dict[wheels.Platform, Supplies] = {}
    found = {}
    for name, host in facts.items():
        if host.with_content(bundle.content):
            continue
        if host.platform not in known:
            known[host.platform] = supply_platform(root, host.platform)
        found[name] = known[host.platform]
    return found


def supply_platform(root: Path, platform: wheels.Platform) -> Supplies:
    try:
        dependencies = wheels.fetch(root, root / "requirements.lock", platform)
        (uv,) = wheels.fetch(root, root / "requirements-dev.lock", platform, only="uv")
    except RaabError as error:
        return Supplies(problem=error)
    return Supplies(dependencies, uv)


def untouched(host: HostPlan) -> HostReport:
    if host.refusal:
        error = host.refusal
        return HostReport(host.host.name, host.host.address, "refused", host.previous, host.previous, error.message, error.hint)
    result: Literal["unchanged", "untouched"] = "unchanged" if host.verdict == "nothing" else "untouched"
    return HostReport(host.host.name, host.host.address, result, host.previous, host.previous, host.reason)


def failed(planned: Plan, name: str, error: RaabError) -> HostReport:
    """A host that could not be staged: it serves what it served."""
    host = next(host for host in planned.hosts if host.host.name == name)
    return HostReport(name, host.host.address, "refused", host.previous, host.previous, error.message, error.hint)
