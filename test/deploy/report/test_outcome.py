"""How an operation's outcome becomes one line a host and one exit code."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from raab import exitcodes
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.rollback import Rollback
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import HostPlan, Plan
from raab.deploy.report import outcome, results
from raab.deploy.report.results import HostReport, Report, Result
from raab.errors import RaabError
from raab.protocol.answers import Probe

HOSTS = tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in "abc")


def operation(max_unreachable: int = 0) -> Rollback:
    settings = File(hosts=Hosts(False, {host.name: HostEntry() for host in HOSTS}), max_unreachable=max_unreachable)
    return Rollback(Environment("prod", HOSTS, False, settings), "new")


def report(plan: Plan, reports: Mapping[str, HostReport], max_unreachable: int = 0, **failed: RaabError) -> Report:
    return outcome.report(operation(max_unreachable), failed, plan, reports, 1.0)


def planned(*names: str, refusal: RaabError | None = None) -> Plan:
    plans = tuple(
        HostPlan(host, "refuse" if refusal else "activate", "new", "old", refusal=refusal) for host in HOSTS if host.name in names
    )
    return Plan("prod", "", plans, (names,))


@pytest.mark.parametrize(
    ("results", "code"),
    [
        (("deployed", "deployed"), exitcodes.DONE),
        (("deployed", "failed"), exitcodes.FAILED),
        (("reverted", "failed"), exitcodes.FAILED),
        (("failed", "stranded"), exitcodes.STRANDED),
        (("failed", "unknown"), exitcodes.UNREACHABLE),
        (("unknown", "stranded"), exitcodes.STRANDED),
        (("deployed", "unreachable"), exitcodes.UNREACHABLE),
        (("refused", "deployed"), exitcodes.REFUSED),
    ],
)
def test_the_worst_host_decides_the_exit_code(results: tuple[Result, Result], code: int) -> None:
    reports = {name: HostReport(name, "", result) for name, result in zip("ab", results, strict=True)}
    done = report(planned("a", "b", "c"), reports)
    assert done.exit_code == code
    assert [host.result for host in done.hosts] == [*results, "untouched"]


def test_a_host_that_is_down_stops_the_deploy_unless_it_is_allowed_to_be() -> None:
    down = RaabError("host c: it cannot be reached", exit_code=exitcodes.UNREACHABLE)
    assert not outcome.worth_it(operation(), {"c": down}, planned("a", "b"))
    assert outcome.worth_it(operation(max_unreachable=1), {"c": down}, planned("a", "b"))
    done = report(planned("a", "b"), {}, c=down)
    assert (done.exit_code, [host.result for host in done.hosts]) == (exitcodes.UNREACHABLE, ["untouched", "untouched", "unreachable"])
    reports = {name: HostReport(name, "", "deployed") for name in "ab"}
    assert report(planned("a", "b"), reports, max_unreachable=1, c=down).exit_code == exitcodes.DONE


def test_a_refused_host_stops_all_and_gives_its_own_code() -> None:
    plan = planned("a", refusal=RaabError("no room", "make some", exitcodes.REFUSED))
    assert not outcome.worth_it(operation(), {}, plan)
    done = report(plan, {}, b=RaabError("x", exit_code=3), c=RaabError("no python", exit_code=5))
    assert done.exit_code == exitcodes.REFUSED
    assert done.hosts[0].reason == "no room"


def test_the_summary_gives_n_beside_every_zero() -> None:
    probed = HostReport("a", "", "deployed", "new", "old", probe=Probe(sent=300, failed=0, slowest=0.02))
    said = results.summary(Report("prod", "deploy", "new", 0, (probed,), 1.5))
    assert said == "deploy prod: 1 deployed in 1.5 s; 0 of 300 requests across the switch failed, rate below 1.00%"
    assert results.row(probed)[-3:] == ("300", "0", "20 ms")
    unchanged = HostReport("a", "", "unchanged", "new", "new")
    assert results.summary(Report("prod", "deploy", "new", 0, (unchanged,), 0.5)) == "deploy prod: nothing changes in 0.5 s"
