from __future__ import annotations

import pytest

from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.report import standing
from raab.deploy.report.interruption import Interruption
from raab.deploy.report.results import HostReport
from raab.deploy.report.standing import Standing

DEPLOYED = HostReport("a", "", "deployed", "new", "old")
UNASKED = Standing()
QUIET = Standing(asked=True, serves="old")
UNDER_WAY = Standing(asked=True, serves="old", doing="the activation of new", becoming="new")
RESTARTING = Standing(asked=True, serves="old", doing="its restart")
DONE = Standing(asked=True, serves="new", report=DEPLOYED)
FIRST = Standing(asked=True, serves=None, doing="the activation of new", becoming="new")


@pytest.mark.parametrize(
    ("known", "words", "result", "release"),
    [
        (UNASKED, "serves what it served: it was not asked yet", "untouched", "unknown"),
        (QUIET, "serves old: nothing was changed there", "untouched", "old"),
        (UNDER_WAY, "serves old or new: the activation of new goes on by itself, and ends on one of them", "unknown", "unknown"),
        (FIRST, "serves nothing or new: the activation of new goes on by itself, and ends on one of them", "unknown", "unknown"),
        (RESTARTING, "serves old: its restart goes on by itself", "untouched", "old"),
        (DONE, "serves new: deployed", "deployed", "new"),
    ],
)
def test_what_is_said_of_a_host(known: Standing, words: str, result: str, release: str) -> None:
    """No more than is known, to people and to machines."""
    assert known.words == words
    row = standing.row(Host("a", "", 22, "root", "", "", ("app",)), known)
    assert (row.result, row.release) == (result, release)


NEXT = (
    "next: `fab status --env prod` shows what each host serves; `fab deploy --env prod --wait 60` goes on from there;"
    " `fab rollback --env prod --wait 60` takes back what was switched"
)


def told(verb: str, typed: str, *known: Standing, env: str = "lab") -> str:
    names = "abc"[: len(known)]
    hosts = tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in names)
    environment = Environment(env, hosts, False, File(hosts=Hosts(False, {name: HostEntry() for name in names})))
    return standing.text(Interruption(verb, typed, "SIGINT", 1.24), environment, dict(zip(names, known, strict=True)))


def test_each_host_has_a_line_and_the_end_says_what_to_type() -> None:
    assert told("deploy", "fab deploy --env prod", DONE, UNDER_WAY, QUIET, env="prod").splitlines() == [
        "SIGINT: `fab deploy --env prod` ends here, after 1.2 s",
        "  a  serves new: deployed",
        "  b  serves old or new: the activation of new goes on by itself, and ends on one of them",
        "  c  serves old: nothing was changed there",
        NEXT,
    ]


def test_nothing_is_waited_for_where_nothing_goes_on() -> None:
    text = told("deploy", "fab deploy", QUIET, UNASKED)
    assert "`fab deploy` goes on from there" in text and "rollback" not in text
    assert "--wait 9` goes on" in told("deploy", "fab deploy --wait 9", UNDER_WAY)
    assert "`fab restart` does it again" in told("restart", "fab restart", QUIET)
    assert "again" not in told("restart", "fab restart", RESTARTING)
