"""The catalogue, and the verdict that its drills end with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from raab.deploy import environments
from raab.drill import command
from raab.drill.catalogue import DRILLS, choose
from raab.drill.runner import allow
from raab.drill.stage.project import Project
from raab.drill.traffic.account import Account, Mark
from raab.drill.traffic.values import Client, Kind, Sample
from raab.drill.verdict import BEGUN, Evidence, Excuse, Fact, Invariant, judge
from raab.errors import RaabError

TARGET = "10.0.0.1:8000"
GOOD = Sample(Client.FRESH, Kind.OK, TARGET, at=1.0, took=0.01, planned=0.0, lag=0.0, label="new", detail="")
STRICT = Invariant(added=0.1, least=2)


def sample(at: float, took: float = 0.01, kind: Kind = Kind.OK, **others: Any) -> Sample:
    return GOOD._replace(at=at, took=took, kind=kind, **others)


def evidence(*samples: Sample, **others: Any) -> Evidence:
    """Two good requests in steady state, the operation from second 5 on, and these samples."""
    return replace(Evidence(Account((sample(1), sample(2), *samples), (Mark(5.0, BEGUN),))), **others)


def test_names_are_unique_and_each_drill_promises_something() -> None:
    assert len({drill.name for drill in DRILLS}) == len(DRILLS) > 30
    assert all(drill.promise and drill.invariant.least for drill in DRILLS)


def test_a_quick_run_holds_every_group_and_no_lab_drill_leaves_the_lab() -> None:
    """A deploy, a reload, a broken release and a fault are in the smaller choice; real servers are spared what only a lab allows."""
    quick = {drill.name for drill in choose("", True, True)}
    assert {"reload", "deploy", "broken-raises", "worker-killed"} <= quick < {drill.name for drill in DRILLS}
    assert not [drill for drill in choose("", False, False) if drill.in_lab]
    with pytest.raises(RaabError, match="in the lab only"):
        choose("power-loss", False, False)


def test_an_unknown_drill_names_the_one_that_was_meant() -> None:
    with pytest.raises(RaabError, match="got 'relaod'") as caught:
        choose("reload, relaod", False, True)
    assert caught.value.hint == "did you mean 'reload'?"
    assert caught.value.exit_code == 2


def test_a_list_without_a_drill_is_refused() -> None:
    """A run of no drills would end as one in which every promise was kept."""
    with pytest.raises(RaabError, match="no drill is named, got ', '") as caught:
        choose(", ", False, True)
    assert caught.value.exit_code == 2


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A project with an environment `own` whose one host does not exist."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "own.yaml").write_text("hosts: {h1: {address: 203.0.113.1}}\nidentity: key\n")
    return tmp_path


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0, 5001.0])
def test_a_rate_that_is_none_is_refused_before_anything_is_sent(own: Path, rate: float) -> None:
    with pytest.raises(RaabError, match="--rate: needs requests per second up to 5000") as caught:
        command.drill(own, "own", None, "reload", True, rate, "", False)
    assert caught.value.exit_code == 2


def test_a_report_that_cannot_be_written_is_refused_before_the_drills_and_not_after_them(own: Path) -> None:
    for file in (own, own / "none" / "report.html"):
        with pytest.raises(RaabError, match="--report: cannot be written") as caught:
            command.drill(own, "own", None, "reload", True, 0.0, str(file), False)
        assert caught.value.exit_code == 2


def test_an_environment_that_is_not_marked_is_left_alone(tmp_path: Path) -> None:
    """Drills kill and reboot: without `drills: allowed` nothing is sent to any host."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "own.yaml").write_text("hosts: {h1: {address: 203.0.113.1}}\nidentity: key\n")
    own = environments.load(tmp_path, "own")
    with pytest.raises(RaabError, match="own, which is not marked `drills: allowed`") as caught:
        allow(own)
    assert caught.value.exit_code == 5
    allow(msgspec.structs.replace(own, settings=msgspec.structs.replace(own.settings, drills="allowed")))


def test_drills_log_in_as_root(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "own.yaml").write_text("hosts: {h1: {user: me}}\nidentity: key\ndrills: allowed\n")
    with pytest.raises(RaabError, match="got me@h1:22"):
        allow(environments.load(tmp_path, "own"))


def test_a_drill_without_a_loss_is_good() -> None:
    verdict = judge(STRICT, evidence(sample(6, 0.05)))
    assert (verdict.good, verdict.reasons, verdict.lost) == (True, (), 0)


def test_a_lost_request_is_told_with_its_way_and_detail() -> None:
    verdict = judge(STRICT, evidence(sample(6, kind=Kind.REFUSED, detail="no listener")))
    assert verdict.reasons == ("1 of 3 requests lost: 1 fresh refused (no listener, 1.01 s after 'operation begin', begun 0.01 s before)",)
    assert not verdict.good


def test_an_excuse_covers_what_was_open_then_there_and_so() -> None:
    """Another moment, host, client or way of failing is a loss."""
    excuse = Excuse(TARGET, 6.0, 7.0, frozenset({Client.FRESH}), frozenset({Kind.RESET}))
    covered = sample(5.9, 0.2, Kind.RESET)
    assert judge(STRICT, evidence(covered, excuses=(excuse,))).excused == 1
    for other in (
        covered._replace(at=7.1), covered._replace(at=5.0), covered._replace(target="10.0.0.2:8000"),
        covered._replace(client=Client.REUSED), covered._replace(kind=Kind.REFUSED),
    ):  # fmt: skip
        assert judge(STRICT, evidence(other, excuses=(excuse,))).lost == 1


def test_a_wait_counts_beyond_the_steady_state_and_without_the_senders_own_lag() -> None:
    """Steady 10 ms and 100 ms more are allowed; of a wait that the sender caused the server knows nothing."""
    late = judge(STRICT, evidence(sample(6, 0.2)))
    assert late.reasons == ("the slowest request waited 200 ms: wanted at most 110 ms (steady: 10 ms)",)
    assert judge(STRICT, evidence(sample(6, 0.2, lag=0.15))).good
    assert judge(replace(STRICT, added=None), evidence(sample(6, 20))).good
    assert not judge(replace(STRICT, added=None), evidence(sample(6, 31))).good


def test_a_long_request_waits_only_for_what_it_did_not_ask_for() -> None:
    assert judge(STRICT, evidence(sample(6, 5.05, client=Client.SLOW, planned=5.0))).good


def test_what_a_host_says_has_to_be_what_was_promised() -> None:
    verdict = judge(STRICT, evidence(facts=(Fact("workers", "2", "2"), Fact("release", "new", "old"))))
    assert verdict.reasons == ("release: wanted new, got old",)


def test_no_traffic_and_an_operation_cut_short_are_no_success() -> None:
    """Of no requests none is lost; that says nothing."""
    assert judge(STRICT, Evidence(Account(()))).reasons == ("too few requests to say anything: wanted 2, got 0",)
    assert judge(STRICT, evidence(error="no answer")).reasons == ("the drill could not be carried through: no answer",)


def test_the_environment_of_drills_names_what_its_host_leaves_out(tmp_path: Path) -> None:
    """Drills read no settings of SSH; what is deployed by it is marked as theirs, and what stays afterwards is not."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "own.yaml").write_text("hosts: {h1: {address: 203.0.113.1}}\nidentity: key\ndrills: allowed\n")
    own = environments.load(tmp_path, "own")
    project = Project(tmp_path, own, for_drills=True)
    project.write_environment("drill", own.hosts)
    written = environments.load(tmp_path, "drill")
    assert [(host.user, host.port) for host in written.hosts] == [("root", 22)]
    assert written.settings.drills == "made"
    assert environments.load(tmp_path, project.afterwards()).settings.drills == "refused"
