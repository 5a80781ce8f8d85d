"""From what came of each host to one report with one exit code. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.plan.environment import Host
from raab.deploy.plan.values import HostPlan, Operation, Plan
from raab.deploy.report.results import HostReport, Report, Result
from raab.errors import RaabError

Failed = Mapping[str, RaabError]
WORST_FIRST: tuple[tuple[Result, int], ...] = (
    ("stranded", exitcodes.STRANDED),
    ("unknown", exitcodes.UNREACHABLE),
    ("failed", exitcodes.FAILED),
    ("reverted", exitcodes.FAILED),
    ("unreachable", exitcodes.UNREACHABLE),
    ("refused", exitcodes.REFUSED),
)


def worth_it(operation: Operation, failed: Failed, plan: Plan) -> bool:
    """Whether anything is to be done, and all that it needs is given. `failed` are the hosts that could not tell their facts."""
    allowed = operation.environment.settings.max_unreachable
    return bool(plan.active or plan.labelled or plan.fronting) and not plan.refused and len(failed) <= allowed


def report(operation: Operation, failed: Failed, plan: Plan, reports: Mapping[str, HostReport], seconds: float, action: str = "") -> Report:
    """One line a host, in the environment's order, and the exit code that fits the worst of them. `reports` are those of the
    hosts that were touched."""
    plans = {host.host.name: host for host in (*plan.hosts, *plan.edges)}
    rows = []
    for host in (*operation.environment.hosts, *operation.environment.edges):
        if host.name in reports:
            rows.append(reports[host.name])
        elif host.name in failed:
            rows.append(not_asked(host, failed[host.name]))
        elif host.name in plans:
            rows.append(untouched(plans[host.name]))
    # A rollback that names no release finds it in the plan.
    release = operation.release or next((host.release for host in plan.hosts if host.release), "")
    code = exit_code(operation, failed, plan, reports)
    return Report(operation.environment.name, action or operation.action, release, code, tuple(rows), seconds)


def exit_code(operation: Operation, failed: Failed, plan: Plan, reports: Mapping[str, HostReport]) -> int:
    results = {one.result for one in reports.values()}
    for result, code in WORST_FIRST:
        if result in results:
            return code
    refusals = [host.refusal.exit_code for host in plan.refused if host.refusal]
    refusals += [error.exit_code for error in failed.values() if error.exit_code != exitcodes.UNREACHABLE]
    if refusals:
        return refusals[0]
    return exitcodes.UNREACHABLE if len(failed) > operation.environment.settings.max_unreachable else exitcodes.DONE


def timed(reports: Mapping[str, HostReport], stage_seconds: Mapping[str, float]) -> dict[str, HostReport]:
    return {name: replace(one, stage_seconds=stage_seconds.get(name, 0.0)) for name, one in reports.items()}


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
