"""What operators do by mistake, done on a real host under load: no request fails, and nothing hangs."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import Content
from raab.drill.traffic.http import Address
from raab.drill.traffic.values import Mix

if TYPE_CHECKING:
    from .conftest import Traffic

SLEEPY = Content(before="import time; time.sleep(2)")
# Restarts the service and sends HUP to its new master again and again in its first 150 ms; prints that master. What systemd has forked
# and not turned into the master yet (`exe` is not Python's) has no protection, and is restarted when it is hit.
HUP_AT_BIRTH = """
old=$(systemctl show -P MainPID raab)
systemctl restart --no-block raab
while pid=$(systemctl show -P MainPID raab); [ $pid = $old -o $pid = 0 ]; do :; done
until readlink /proc/$pid/exe | grep -q {exe}; do :; done
for n in 1 2 3 4 5 6 7 8 9 10; do kill -HUP $pid; sleep 0.013; done
echo $pid
"""
# Sends TERM to new workers of the master as soon as they are seen, which is within 100 ms, and prints them; the first `spared` new
# children are none: a reload begins with a process that reads the settings.
TERM_AT_BIRTH = """
children() {{ cat /proc/{pid}/task/{pid}/children; }}
known=" $(children)"; ended=; found=0; spared={spared}; end=$(($(date +%s) + 10))
{act}
while [ $found -lt {count} -a $(date +%s) -lt $end ]; do
    for child in $(children); do
        case "$known" in *" $child "*) continue;; esac
        known="$known$child "
        if [ $spared -gt 0 ]; then spared=$((spared - 1)); continue; fi
        if [ $found -lt {count} ]; then kill -TERM $child; ended="$ended $child"; found=$((found + 1)); fi
    done
done
echo $ended
"""


@pytest.mark.parametrize("command", ["systemctl kill -s HUP raab", "pkill -HUP gunicorn"])
def test_hup_to_the_workers_too(service: Service, traffic: Traffic, command: str) -> None:
    """A HUP that hits every process of the service is a reload and nothing else."""
    before = service.status()
    with traffic(Mix(fresh=40, reused=40, slow=3, slow_seconds=2)):
        service.run(command)
        after = service.reloaded(before)
    assert after.pid == before.pid


@pytest.mark.parametrize("command", ["systemctl kill -s TTIN raab", "pkill -TTIN gunicorn"])
def test_ttin_to_the_workers_too(service: Service, traffic: Traffic, command: str) -> None:
    """So is a TTIN that hits all of them one worker more."""
    with traffic():
        service.run(command)
        service.wait("three", lambda now: now.settled and now.target == 3)


def test_hup_at_the_birth_of_the_master(service: Service, traffic: Traffic) -> None:
    """A HUP in the master's first 150 ms does not end it, and is not forgotten."""
    with traffic():
        pid = int(service.run(HUP_AT_BIRTH.format(exe="python")).out)
        after = service.wait("reloaded", lambda now: now.settled and now.reload is not None)
        assert after.reload and after.reload.good
    assert after.pid == pid
    assert service.show("NRestarts") == "0"


def test_hup_before_the_birth_of_the_master(service: Service, traffic: Traffic) -> None:
    """A HUP that hits what is to become the master may end it: systemd starts it again, and connections wait meanwhile."""
    with traffic():
        service.run(HUP_AT_BIRTH.format(exe="."))
        service.wait("up", lambda now: now.settled)


def test_term_at_the_birth_of_workers(service: Service, traffic: Traffic) -> None:
    """A TERM in a new worker's first 100 ms ends that one and nothing else: another takes its place, in a reload and in peace."""
    before = service.status()
    with traffic():
        reload = service.run(TERM_AT_BIRTH.format(pid=before.pid, spared=1, count=2, act=f"kill -HUP {before.pid}"))
        service.reloaded(before)
        more = service.run(TERM_AT_BIRTH.format(pid=before.pid, spared=0, count=1, act=f"kill -TTIN {before.pid}"))
        after = service.wait("three", lambda now: now.settled and now.target == 3)
    ended = {int(pid) for pid in f"{reload.out} {more.out}".split()}
    assert len(ended) == 3
    assert not ended & {worker.pid for worker in after.workers}
    assert after.pid == before.pid


@pytest.mark.parametrize("command", ["kill -HUP", "kill -USR2"])
def test_ttin_during_a_reload(service: Service, traffic: Traffic, command: str) -> None:
    """A TTIN while the new generation, or a new master, is still loading counts."""
    before = service.status()
    release = service.variant(SLEEPY)
    with traffic():
        service.switch(release)
        service.run(f"{command} {before.pid}; sleep 1; kill -TTIN {before.pid}")
        after = service.wait("reloaded", lambda now: now.settled and now.generation > before.generation and now.target == 3)
    assert (after.release, len(after.serving)) == (release, 3)


@pytest.mark.parametrize("command", ["kill -HUP", "systemctl reload"])
def test_another_listening_address(service: Service, traffic: Traffic, command: str) -> None:
    """A changed address and a reload: the new one serves before the old one ends, and clients that follow lose nothing."""
    before = service.status()
    new: Address = (service.address[0], 8001)
    service.settings('production: {server: {bind: "0.0.0.0:8001"}}\n')
    # While it answers at both, clients go over to the new one. The reload is over when nobody serves the old one any more.
    with contextlib.ExitStack() as later:
        with traffic():
            service.run("kill -HUP $(systemctl show -P MainPID raab)" if "HUP" in command else "systemctl reload --no-block raab")
            answering(new)
            later.enter_context(traffic(Mix(), new, settle=0))
        after = service.reloaded(before)
        time.sleep(3)
    assert after.pid == service.main_pid() != before.pid
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(service.address, 2)


def answering(address: Address) -> None:
    """Waits until somebody listens there; 10 s at most."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(address, 2).close()
        time.sleep(0.02)
    raise AssertionError(f"nobody listens at {address}")


def test_the_release_of_the_master_s_start_is_pruned(service: Service, traffic: Traffic) -> None:
    """What the master was started from may go once another release serves: HUP, USR2 and reload work without it."""
    first, second = service.variant(), service.variant()
    service.switch(first)
    service.systemctl("restart")
    with traffic():
        service.switch(second)
        service.systemctl("reload")
        service.run(f"rm -rf {PATHS.release(first)}")
        for act in ("kill -HUP", "systemctl reload", "kill -USR2"):
            before = service.status()
            service.run(f"{act} {before.pid}" if act.startswith("kill") else f"{act} raab")
            after = service.reloaded(before)
            assert (after.release, after.pid == before.pid) == (second, act != "kill -USR2")
