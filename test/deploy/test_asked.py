"""How often hosts are asked what they have, in an operation from its beginning to its end: each question is a way there and back."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.hosts.fleet import Outcome
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.rollback import Rollback
from raab.deploy.plan.schema import File, HostEntry, Hosts
from raab.deploy.plan.values import HostPlan, Plan
from raab.deploy.report.results import HostReport, Report
from raab.deploy.run import carry_out
from raab.protocol.answers import Staged
from raab.protocol.facts import InstalledRelease, Taken
from raab.protocol.fields import NONE

OLDEST, OLD, NEW = "20261120T080000Z-0000000", "20261121T080000Z-0000001", "20261122T080000Z-0000002"
NAMES = ("web1", "web2")
ENVIRONMENT = Environment(
    "prod",
    tuple(Host(name, "", 22, "root", "", "", ("app",)) for name in NAMES),
    False,
    File(hosts=Hosts(False, {name: HostEntry() for name in NAMES})),
)
SSHD = Taken(4, "0.0.0.0", 22, False, "the user root")
FACTS = HostFacts(
    python="3.11.2", implementation="CPython", libc="glibc 2.36", machine="x86_64", system="Debian 12", uid=0, time=0.0, disk_free=10**10,
    disk_total=2 * 10**10, inodes_free=10**6, systemd=252, current=NEW, verdicts={OLDEST: "serving", OLD: "serving", NEW: "serving"},
    releases=tuple(InstalledRelease(one, True, one, "1.0", "a" * 40, "c" * 64) for one in (OLDEST, OLD, NEW)),
    served=(OLDEST, OLD, NEW), once=(OLDEST, OLD, NEW), service={"ActiveState": "active"}, taken=(SSHD,),
)  # fmt: skip
BINDS = "base: {server: {bind: '0.0.0.0:%d'}}"


class Played:
    """Stands for the runner. Each of its hosts has `before` to tell, and `under` the lock; each release listens at its port of `ports`."""

    def __init__(self, before: HostFacts = FACTS, under: HostFacts = FACTS, ports: Mapping[str, int] = NONE) -> None:
        self.before, self.under, self.ports = before, under, ports
        self.log: list[str] = []

    def told(self, facts: HostFacts, release: str) -> HostFacts:
        return facts._replace(packaged=BINDS % self.ports.get(release, 8000)) if release else facts

    def facts(self, edges: bool = False) -> Outcome[HostFacts]:
        self.log.append("facts")
        found: Outcome[HostFacts] = Outcome()
        found.done.update(dict.fromkeys(NAMES, self.before))
        return found

    def closely(self, wanted: Mapping[str, str]) -> dict[str, HostFacts]:
        if wanted:
            self.log.append(f"closely {' '.join(sorted({*wanted.values()}))}")
        return {name: self.told(self.under, release) for name, release in wanted.items()}

    def lock(self, names: tuple[str, ...], what: str, wait: float, wanted: Mapping[str, str] = NONE) -> dict[str, HostFacts]:
        self.log.append(f"lock, closely {' '.join(sorted({*wanted.values()}))}" if wanted else "lock")
        return {name: self.told(self.under, wanted.get(name, "")) for name in names}

    def label(self, plan: Plan) -> None:
        """There is none."""

    def stage(self, plan: Plan) -> Outcome[Staged]:
        return Outcome()

    def activate(self, plan: HostPlan, action: str, condemn: str = "") -> HostReport:
        self.log.append(f"{action} to {plan.release}")
        return HostReport(plan.host.name, "", "rolled back", plan.release, plan.previous)

    def progress(self, host: str, text: str) -> None:
        """Nobody listens."""


def rolled(played: Played, to: str = "") -> Report:
    environment = replace(ENVIRONMENT, settings=replace(ENVIRONMENT.settings, parallel=1))
    return carry_out(played, lambda: Rollback(environment, to))  # type: ignore[arg-type]


@pytest.mark.parametrize("to", ["", OLDEST])
def test_a_way_back_asks_once_before_the_lock_and_once_with_it(to: str) -> None:
    """Each host has somebody else's addresses, its sshd's if no other: the settings by which it is known that the release has none of them
    come with the lock."""
    played = Played()
    assert rolled(played, to).exit_code == exitcodes.DONE
    assert played.log == ["facts", f"lock, closely {to or OLD}", *[f"rollback to {to or OLD}"] * 2]


def test_what_nobody_else_listens_on_is_no_question() -> None:
    alone = FACTS._replace(taken=())
    played = Played(alone, alone)
    rolled(played)
    assert played.log[:2] == ["facts", "lock"]


def test_a_release_that_would_serve_nobody_is_refused_under_the_lock() -> None:
    played = Played(ports={OLD: 22})
    report = rolled(played)
    assert report.exit_code == exitcodes.REFUSED
    assert "server.bind: 0.0.0.0:22 is held by the user root" in report.hosts[0].reason
    assert played.log == ["facts", f"lock, closely {OLD}"]


def test_another_target_under_the_lock_is_asked_for() -> None:
    """Somebody has gone back in between: the last release before is another one, and its settings decide."""
    played = Played(under=FACTS._replace(current=OLD, served=(OLDEST, OLD)), ports={OLDEST: 22})
    assert rolled(played).exit_code == exitcodes.REFUSED
    assert played.log == ["facts", f"lock, closely {OLD}", f"closely {OLDEST}"]


def test_what_serves_already_takes_one_question() -> None:
    played = Played()
    assert rolled(played, NEW).exit_code == exitcodes.DONE
    assert played.log == ["facts"]
