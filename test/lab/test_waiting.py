"""Nobody waits for an import: the slowest request during a reload beside the slowest in steady state, and plain gunicorn's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import Content
from raab.drill.traffic.account import Account
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

if TYPE_CHECKING:
    from .conftest import Table, Traffic

# The import sleeps, so that what is measured is the hand-over and not the machine's cores.
IMPORT = 2.0
SLEEPY = Content(before=f"import time; time.sleep({IMPORT})")
MIX = Mix(fresh=40, reused=40)
PLAIN_PORT = 8100
PLAIN = (
    "systemd-run --quiet --collect --unit=plain --setenv=RAAB_ENVIRONMENT=production {current}/venv/bin/python {current}/venv/bin/gunicorn"
    " -c /dev/null -k gevent -w 2 -b 0.0.0.0:{port} --pythonpath {current}/app wsgi:application"
)


def steady_and(load: Load, name: str) -> tuple[float, float]:
    """The longest waits outside and inside the blocks of that name, in seconds, and all of the same run."""
    account = load.account
    begins = [mark.at for mark in account.marks if mark.text == f"{name} begin"]
    ends = [mark.at for mark in account.marks if mark.text == f"{name} end"]
    inside = [account.between(begin, end) for begin, end in zip(begins, ends, strict=True)]
    met = {sample for window in inside for sample in window.samples}
    outside = Account(tuple(sample for sample in account.samples if sample not in met))
    return outside.longest, max(window.longest for window in inside)


@pytest.mark.parametrize("act", ["kill -HUP", "systemctl reload", "kill -USR2"])
@pytest.mark.parametrize(("rounds", "slower"), [(1, IMPORT / 2), pytest.param(3, 0.1, marks=pytest.mark.prove)])
def test_nobody_waits(service: Service, traffic: Traffic, table: Table, act: str, rounds: int, slower: float) -> None:
    """With an import of 2 s, the slowest request of the reloads is at most so much slower than the slowest of the times between them:
    less than plain gunicorn's below anywhere, 100 ms on a machine that does nothing else."""
    service.switch(service.variant(SLEEPY))
    service.systemctl("reload")
    with traffic(MIX, settle=IMPORT) as load:
        for _ in range(rounds):
            before = service.status()
            with load.during(act):
                service.run(f"{act} {before.pid}" if act.startswith("kill") else f"{act} raab")
                after = service.reloaded(before)
            assert after.reload and after.reload.seconds >= IMPORT
            # As long as the reload took, so that both have the same chance to meet a slow moment of the machine.
            time.sleep(after.reload.seconds)
    steady, reload = steady_and(load, act)
    table.line(f"import of {IMPORT:g} s, {rounds} x {act:<16}  slowest in steady state {steady:.3f} s, during it {reload:.3f} s")
    assert reload <= steady + slower, load.account.line()


def test_plain_gunicorn_beside_it(service: Service, table: Table) -> None:
    """The same with gunicorn's own gevent worker and HUP: here requests do wait for the import, so the measure sees it where it is."""
    release = service.variant(SLEEPY)
    service.switch(release)
    service.run(f"{PLAIN.format(current=PATHS.current, port=PLAIN_PORT)}; until ss -Htln | grep -q :{PLAIN_PORT}; do sleep 0.1; done")
    try:
        # Its start is no steady state: wait for the first answer.
        service.run(f"python3 -ISc 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:{PLAIN_PORT}/livez\", timeout=30)'")
        with Load([(service.address[0], PLAIN_PORT)], MIX) as load:
            time.sleep(IMPORT)
            with load.during("HUP"):
                service.run("kill -HUP $(systemctl show -P MainPID plain)")
                time.sleep(IMPORT + 1)
    finally:
        service.run("systemctl stop plain", check=False)
    steady, reload = steady_and(load, "HUP")
    failed = len(load.account.failures)
    table.line(
        f"import of {IMPORT:g} s, 1 x plain gunicorn's HUP  slowest in steady state {steady:.3f} s, during it {reload:.3f} s,"
        f" {failed} of {load.account.total} failed"
    )
    assert reload > IMPORT / 2
