"""The number of workers that somebody asked for survives everything, until somebody asks for another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import SETTINGS, Service
from raab.drill.stage.standing import Status
from raab.drill.stage.variants import Content
from raab.errors import RaabError
from raab.lab import lab as lifecycle

if TYPE_CHECKING:
    from .conftest import Steady, Traffic


@pytest.fixture(scope="module")
def earlier(steady: Steady) -> str:
    """A release that has served before the one that a deploy brings, for a rollback to go to."""
    service = steady.service()
    release = service.variant(Content(drilled=False))
    service.run(f"raab activate {release}")
    return release


@pytest.mark.parametrize(("change", "target"), [("kill -TTIN {pid}", 3), ("kill -TTOU {pid}", 1), ("raab scale 4", 4)])
def test_the_target_holds(service: Service, traffic: Traffic, steady: Steady, earlier: str, change: str, target: int) -> None:
    """TTIN, TTOU and raab scale, each over reload, restart, SIGKILL of the master, deploy, rollback and reboot."""
    service.run(change.format(pid=service.main_pid()))
    service.wait("scaled", lambda now: now.settled and now.target == target)

    def holds(what: str, act: Callable[[], object]) -> Status:
        before = service.status()
        act()
        after = service.wait(f"up after {what}", lambda now: now.settled and (now.pid, now.generation) != (before.pid, before.generation))
        assert (after.target, len(after.serving)) == (target, target), what
        return after

    with traffic():
        holds("reload", lambda: service.systemctl("reload"))
        holds("restart", lambda: service.systemctl("restart"))
        holds("SIGKILL of the master", lambda: service.kill("KILL"))
        name = service.shell.host.name
        assert holds("deploy", lambda: steady.fab("deploy", "--hosts", name)).release == service.base
        # What served before is one of the tests' own, put there by hand, and not as it was installed.
        assert holds("rollback", lambda: steady.fab("rollback", "--to", earlier, "--hosts", name)).release == earlier
    # systemd counts its processes anew, so a master may have the number of the one before.
    lifecycle.reboot(steady.lab, name)
    after = service.wait("up after the reboot", lambda now: now.settled)
    assert (after.target, len(after.serving)) == (target, target)


def test_bounds(service: Service) -> None:
    """Beyond the bounds nothing changes: raab scale says so and exits with 2, and the journal has it, whoever asked."""
    service.settings("production: {server: {workers_min: 2, workers_max: 3}}\n")
    service.systemctl("reload")
    since = time.time()
    for count in ("4", "1", "0", "+2", "-1"):
        done = service.run(f"raab scale {count}", check=False)
        assert (done.status, "bounds are 2 to 3" in done.err) == (2, True), done
    service.kill("TTOU")
    service.run("raab scale 3")
    service.kill("TTIN")
    time.sleep(0.5)
    status = service.status()
    assert (status.target, len(status.serving)) == (3, 3)
    assert service.journal(since).count("bounds are 2 to 3") == 7
    assert "got 4" in service.journal(since)


def test_ten_at_once(service: Service, traffic: Traffic) -> None:
    """Ten times raab scale +1 at the same moment are ten workers more, and each says a number of its own."""
    with traffic():
        out = service.run("for n in 1 2 3 4 5 6 7 8 9 10; do raab scale +1 & done; wait").out
        status = service.status()
        service.run("raab scale 2")
    assert (status.target, len(status.serving)) == (12, 12)
    befores = sorted(int(line.removeprefix("workers: ").split()[0]) for line in out.splitlines())
    assert befores == list(range(2, 12))


def test_a_changed_setting_wins(service: Service) -> None:
    """A `workers` that was changed wins over an older target, and holds until somebody scales again."""
    service.run("raab scale 5")
    service.settings("production: {server: {workers: 3}}\n")
    service.systemctl("reload")
    assert service.status().target == 3
    service.run("raab scale 4")
    service.systemctl("restart")
    assert service.status().target == 4
    service.run(f"rm {SETTINGS}")
    service.systemctl("restart")
    assert service.status().target == 2


def test_what_is_no_number(service: Service) -> None:
    """raab scale refuses what it does not understand, and changes nothing."""
    for count in ("many", "1.5", "''", "+", "99999"):
        with pytest.raises(RaabError, match=r"not a number of workers|bounds"):
            service.run(f"raab scale {count}")
    assert service.status().target == 2
