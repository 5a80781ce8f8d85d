"""How an operation's outcome becomes one line a host and one exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab import exitcodes
from raab.deploy.flow import Operation
from raab.deploy.hosts.fleet import Outcome, everywhere
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import HostPlan, Plan
from raab.deploy.report import results as report
from raab.deploy.report.results import HostReport, Probe, Report, Result
from raab.errors import RaabError

HOSTS = tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in "abc")


def operation(max_unreachable: int = 0) -> Operation:
    settings = File(hosts=Hosts(False, {host.name: HostEntry() for host in HOSTS}), max_unreachable=max_unreachable)
    return Operation(Path(), Environment("prod", HOSTS, False, settings), lambda host, text: None)


def outcome(**failed: RaabError) -> Outcome[HostFacts]:
    made: Outcome[HostFacts] = Outcome()
    made.failed = failed
    return made


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
        (("deployed", "unreachable"), exitcodes.UNREACHABLE),
        (("refused", "deployed"), exitcodes.REFUSED),
    ],
)
def test_the_worst_host_decides_the_exit_code(results: tuple[Result, Result], code: int) -> None:
    reports = {name: HostReport(name, "", result) for name, result in zip("ab", results, strict=True)}
    done = operation().report("deploy", "new", outcome(), planned("a", "b", "c"), reports)
    assert done.exit_code == code
    assert [host.result for host in done.hosts] == [*results, "untouched"]


def test_a_host_that_is_down_stops_the_deploy_unless_it_is_allowed_to_be() -> None:
    down = outcome(c=RaabError("host c: it cannot be reached", exit_code=exitcodes.UNREACHABLE))
    assert not operation().worth_it(down, planned("a", "b"))
    assert operation(max_unreachable=1).worth_it(down, planned("a", "b"))
    done = operation().report("deploy", "new", down, planned("a", "b"), {})
    assert (done.exit_code, [host.result for host in done.hosts]) == (exitcodes.UNREACHABLE, ["untouched", "untouched", "unreachable"])
    reports = {name: HostReport(name, "", "deployed") for name in "ab"}
    assert operation(max_unreachable=1).report("deploy", "new", down, planned("a", "b"), reports).exit_code == exitcodes.DONE


def test_a_refused_host_stops_all_and_gives_its_own_code() -> None:
    plan = planned("a", refusal=RaabError("no room", "make some", exitcodes.REFUSED))
    assert not operation().worth_it(outcome(), plan)
    done = operation().report("deploy", "new", outcome(b=RaabError("x", exit_code=3), c=RaabError("no python", exit_code=5)), plan, {})
    assert done.exit_code == exitcodes.REFUSED
    assert done.hosts[0].reason == "no room"


def test_the_summary_gives_n_beside_every_zero() -> None:
    probed = HostReport("a", "", "deployed", "new", "old", probe=Probe(sent=300, failed=0, slowest=0.02))
    said = report.summary(Report("prod", "deploy", "new", 0, (probed,), 1.5))
    assert said == "deploy prod: 1 deployed in 1.5 s; 0 of 300 requests across the switch failed, rate below 1.00%"
    assert report.row(probed)[-3:] == ("300", "0", "20 ms")
    unchanged = HostReport("a", "", "unchanged", "new", "new")
    assert report.summary(Report("prod", "deploy", "new", 0, (unchanged,), 0.5)) == "deploy prod: nothing changes in 0.5 s"


def test_an_error_on_one_host_leaves_the_others_alone() -> None:
    def work(name: str) -> str:
        if name == "b":
            raise RaabError("b is down")
        return name.upper()

    done = everywhere("abc", work, parallel=2)
    assert done.done == {"a": "A", "c": "C"}
    assert str(done.failed["b"]) == "b is down"
