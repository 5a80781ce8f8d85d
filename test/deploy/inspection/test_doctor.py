from __future__ import annotations

from typing import Any

import pytest

from raab.deploy.inspection import doctor
from raab.deploy.inspection.finding import Finding
from raab.deploy.plan.facts import HostFacts
from raab.host.paths import RAAB, Paths
from raab.protocol.facts import Ahead, InstalledRelease, Pending
from raab.protocol.reading import read
from raab.protocol.service import Examined, Own

ID = "20261122T061500Z-1a2b3c4"
WELL = HostFacts(
    python="3.11.2", implementation="CPython", libc="glibc 2.36", machine="x86_64", system="Debian 12", uid=0, time=0.0, disk_free=10**10,
    disk_total=2 * 10**10, inodes_free=10**6, systemd=252, current=ID, verdicts={ID: "serving"}, units={"raab.service": "a"},
    releases=(InstalledRelease(ID, True, "", "1", "", ""),), service={"ActiveState": "active", "NeedDaemonReload": "no"},
)  # fmt: skip
TOLD: dict[str, Any] = {"drift": [], "units": {"raab.service": "a"}, "raab": {"serving": 2, "target": 2}}
PLACE = {"path": "/opt", "writable": True, "free": 10**10, "total": 2 * 10**10, "inodes_free": 900, "inodes": 1000}
PYTHON = {"path": "/usr/bin/python3.11", "there": True, "package": "python3.11-minimal"}
STRAY = {"pid": 77, "name": "sh"}


def ill(facts: HostFacts = WELL, lag: float = 0.0, **told: Any) -> list[str]:
    return [finding.check for finding in doctor.findings(facts, lag, read(Examined, {**TOLD, **told}, "told")) if not finding.well]


def test_a_host_that_is_well() -> None:
    assert ill() == ill(places=[PLACE], interpreter=PYTHON) == []
    assert ill(WELL._replace(current=None)) == ill(WELL._replace(inodes_free=None)) == []


@pytest.mark.parametrize(
    ("facts", "told", "check"),
    [
        (WELL._replace(systemd=247), {}, "versions"),
        (WELL._replace(disk_free=10**6), {}, "disk"),
        (WELL._replace(inodes_free=10), {}, "disk"),
        (WELL, {"lag": -3.0}, "clock"),
        (WELL._replace(verdicts={ID: "begun"}), {}, "release"),
        (WELL._replace(service={"ActiveState": "failed"}), {}, "release"),
        (WELL._replace(releases=(*WELL.releases, InstalledRelease("x", False, "", "", "", ""))), {}, "leftovers"),
        (WELL, {"drift": ["verify: flask/app.py is not what ..."]}, "files"),
        (WELL, {"program": ["/usr/local/lib/raab: not as it was installed"]}, "root's program"),
        (WELL, {"units": {"raab.service": "b"}}, "units"),
        (WELL._replace(service={"ActiveState": "active", "NeedDaemonReload": "yes"}), {}, "units"),
        (WELL, {"raab": {"serving": 1, "target": 2}}, "workers"),
        (WELL, {"raab": {}}, "workers"),
        (WELL, {"raab": {}, "trouble": "/run/raab/control: not the service's master listens there"}, "workers"),
        (WELL, {"raab": {"serving": 2, "target": 2, "strays": [STRAY]}}, "processes"),
        (WELL, {"places": [{**PLACE, "writable": False}]}, "writing"),
        (WELL, {"places": [PLACE, {**PLACE, "path": "/run", "free": 1 << 20}]}, "writing"),
        (WELL, {"places": [{**PLACE, "inodes_free": 20}]}, "writing"),
        (WELL, {"drained": True}, "drained"),
        (WELL, {"left": ["raab-worker.service"]}, "left units"),
        (WELL, {"kept": [f"{ID}: app/wsgi.py was changed"]}, "kept"),
        (WELL, {"interpreter": {"path": "/usr/bin/python3.9", "there": False}}, "python"),
        (WELL, {"interpreter": {**PYTHON, "leaving": True}}, "python"),
        (WELL, {"interpreter": {**PYTHON, "path": "/root/.local/bin/python3.12"}}, "python"),
    ],
)
def test_what_is_not_well_is_found_alone(facts: HostFacts, told: dict[str, Any], check: str) -> None:
    """And each has its cure."""
    assert ill(facts, **told) == [check]
    lag = told.pop("lag", 0.0)
    assert all(finding.cure for finding in doctor.findings(facts, lag, read(Examined, {**TOLD, **told}, "told")) if not finding.well)


def test_what_is_nobodys_is_named_and_what_ends_it() -> None:
    (found,) = doctor.strays(read(Own, {"strays": [STRAY]}, "told"))
    assert "77 (sh)" in found.text and "`fab restart`" in found.cure
    assert [finding.well for finding in doctor.strays(Own(strays=()))] == [True]


def test_why_the_service_did_not_answer() -> None:
    assert "not the service's master" in doctor.workers(Own(), "control: not the service's master\nhint: x", "raab").text


def test_the_next_start_is_told_as_raab_check_tells_it() -> None:
    """A problem is one; what only waits to be taken up is none, and of a host that does not know nothing is said."""
    problem = Ahead(problem="raab_a: too short\nraab_b: no text", hint="correct it")
    assert doctor.next_start(problem) == (Finding("next start", False, "raab_a: too short; raab_b: no text", "correct it"),)
    (pending,) = doctor.next_start(Ahead(Pending(("TESTED",), (), ("LimitNOFILE",))))
    assert pending.well and "TESTED" in pending.text and "next restart: LimitNOFILE" in pending.text
    assert doctor.next_start(Ahead())[0].text == "as it serves now"
    assert doctor.next_start(None) == ()


def test_what_is_to_be_typed_on_the_host_names_the_service() -> None:
    """A host may have others, which `raab check` alone would mean."""
    ahead = Ahead(problem="it lacks a file")
    found = doctor.findings(WELL._replace(activating=True), 0.0, read(Examined, {**TOLD, "drained": True}, "told"), ahead, "shop")
    cures = {one.check: one.cure for one in found if not one.well}
    assert cures["lock"].startswith("journalctl -u shop-activate.service says")
    assert cures["drained"] == "raab -s shop undrain, on the host"
    assert cures["next start"] == "raab -s shop check, on the host, says more"
    assert Paths(RAAB).typed == "raab"
