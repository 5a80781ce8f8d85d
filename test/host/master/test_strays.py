"""Which of a unit's processes are nobody's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from raab.host import processes, restart
from raab.host.master import conversation, strays
from raab.host.paths import Paths
from raab.host.processes import Process

MASTER = Process(100, 1, "gunicorn", 1000.0)
WORKER = Process(101, 100, "gunicorn", 1001.0)
TEMPLATE = Process(102, 100, "template", 1001.0)
STATUS: dict[str, Any] = {"pid": 100, "incoming": None, "workers": [{"pid": 101}], "templates": [{"pid": 102}]}
NOW = 5000.0
PATHS = Paths("raab")


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch) -> dict[int, Process]:
    """The unit's processes, for a test to change; systemd runs the service, whose status is STATUS."""
    alive = {one.pid: one for one in (MASTER, WORKER, TEMPLATE)}
    monkeypatch.setattr(conversation, "of_systemd", lambda paths: True)
    monkeypatch.setattr(processes, "of_unit", lambda unit, main: dict(alive))
    monkeypatch.setattr(processes, "uptime", lambda: NOW)
    monkeypatch.setattr(strays, "told", lambda paths: STATUS)
    monkeypatch.setattr(strays, "_GAP_SECONDS", 0.01)
    monkeypatch.setattr("raab.host.systemd.show", lambda *_: {"ControlPID": "0"})
    return alive


def add(unit: dict[int, Process], *more: Process) -> None:
    unit.update({one.pid: one for one in more})


def named() -> list[int]:
    return [stray.pid for stray in strays.find(PATHS)]


@pytest.mark.parametrize(
    ("stray", "named_so"),
    [
        (Process(200, 101, "sh", 2000.0), False),
        (Process(200, 102, "sh", 2000.0), False),
        (Process(200, 100, "sh", 2000.0), True),
        (Process(200, 100, "template", 2000.0), True),
        (Process(200, 100, "gunicorn", 2000.0), True),
        (Process(200, 1, "gunicorn", 2000.0), True),
        (Process(200, 77, "sh", 2000.0), True),
        (Process(200, 200, "sh", 2000.0), True),
    ],
    ids=["child of a worker", "of a template", "orphan", "called template", "called gunicorn", "of init", "of a stranger", "of itself"],
)
def test_what_is_nobodys(unit: dict[int, Process], stray: Process, named_so: bool) -> None:
    """A name proves nothing: whoever runs as the service may call itself so. A grandchild is what its parent is."""
    add(unit, stray, Process(201, 200, "sh", 2001.0))
    assert named() == ([200, 201] if named_so else [])


def test_the_units_own_command_is_no_stray(unit: dict[int, Process], monkeypatch: pytest.MonkeyPatch) -> None:
    """ExecReload= has its processes in the service's control group."""
    add(unit, Process(200, 1, "raab", 4999.0), Process(201, 200, "systemctl", 4999.0))
    monkeypatch.setattr("raab.host.systemd.show", lambda *_: {"ControlPID": "200"})
    assert named() == []


def test_who_is_gone_a_moment_later_is_not_named(unit: dict[int, Process], monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two forks, or when a worker has just ended."""
    add(unit, Process(200, 1, "gunicorn", 4999.0))
    looks: list[None] = []

    def told(paths: Paths) -> dict[str, Any]:
        looks.append(None)
        if len(looks) > 1:
            unit.pop(200, None)
        return STATUS

    monkeypatch.setattr(strays, "told", told)
    assert named() == []


def test_who_calls_itself_something_else_each_time_is_named(unit: dict[int, Process], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a parent of another number make it another one."""
    names = iter(range(1000))

    def told(paths: Paths) -> dict[str, Any]:
        number = next(names)
        add(unit, Process(200, 1 + number % 2 * 99, f"name{number}", 2000.0))
        return STATUS

    monkeypatch.setattr(strays, "told", told)
    assert named() == [200]


def test_a_handover_has_processes_of_its_own(unit: dict[int, Process], monkeypatch: pytest.MonkeyPatch) -> None:
    """The master to come is young, the one to go older than its successor; neither for ever."""
    add(unit, Process(200, 1, "gunicorn", NOW - 5))
    assert named() == [200]
    monkeypatch.setattr(strays, "told", lambda paths: {**STATUS, "incoming": 2})
    assert named() == []
    add(unit, Process(200, 1, "gunicorn", NOW - 500))
    assert named() == [200]
    add(unit, Process(100, 1, "gunicorn", NOW - 5))
    assert named() == []
    add(unit, Process(100, 1, "gunicorn", NOW - 200))
    monkeypatch.setattr(strays, "told", lambda paths: STATUS)
    assert named() == [200]


def test_who_was_nobodys_before_a_handover_is_not_excused_by_it(unit: dict[int, Process]) -> None:
    """A deploy that replaces the master names what was there before."""
    stray = Process(200, 1, "sh", 2000.0)
    add(unit, stray)
    before = strays.look(PATHS, STATUS)
    add(unit, Process(100, 1, "gunicorn", NOW - 5))
    assert named() == []
    assert [one.pid for one in strays.find(PATHS, before)] == [200]
    unit.pop(200)
    assert strays.find(PATHS, before) == ()


def test_the_kernel_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a process calls itself; one that has ended and was not reaped is none."""
    begun, tick = processes.uptime(), 1 / os.sysconf("SC_CLK_TCK")
    child = subprocess.Popen(
        [sys.executable, "-c", "open('/proc/self/comm', 'w').write('a) Z 1 (b\\x1c'); import time; print(flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout
        child.stdout.readline()
        group = processes.control_group(os.getpid())
        found = processes.of_unit(group.split("/")[-1], os.getpid())[child.pid]
        assert (found.parent, found.name) == (os.getpid(), r"a) Z 1 (b\x1c")
        assert begun - tick <= found.born <= processes.uptime()
        assert processes.command(child.pid).startswith(sys.executable) and processes.command(child.pid).isprintable()
        assert processes.of_unit("another.service", os.getpid()) == {}
    finally:
        child.kill()
        time.sleep(0.2)
        assert processes.process(child.pid) is None
        child.wait()


def test_a_restart_ends_what_the_master_leaves_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once the master is gone, and not what is younger than the restart; by systemd itself it would take the unit's TimeoutStopSec=."""
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    master, left = (subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE) for _ in range(2))
    for child in (master, left):
        assert child.stdout and child.stdout.readline()
    time.sleep(0.1)
    # In the place of systemctl: it ends when what was left behind has ended, and meanwhile something new has begun.
    systemctl = tmp_path / "systemctl"
    new_one = f"sleep 60 >/dev/null 2>&1 & echo $! >{tmp_path}/new"
    systemctl.write_text(f"#!/bin/sh\nsleep 0.5; kill -9 {master.pid}; {new_one}\nwhile kill -0 {left.pid}; do sleep 0.1; done\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("raab.host.systemd.main_pid", lambda unit: master.pid)
    monkeypatch.setattr(processes, "control_group", lambda pid: "/raab.service")
    ours = {master.pid, left.pid}

    def of_group(unit: str, group: str) -> dict[int, Process]:
        new = tmp_path / "new"
        pids = ours | ({int(new.read_text())} if new.exists() and new.read_text().strip() else set())
        return {pid: one for pid in pids if (one := processes.process(pid))}

    monkeypatch.setattr(processes, "of_group", of_group)
    threading.Thread(target=left.wait, daemon=True).start()
    threading.Thread(target=master.wait, daemon=True).start()
    new = 0
    try:
        assert restart.restart(PATHS, 30).returncode == 0
        new = int((tmp_path / "new").read_text())
        assert left.wait(5) == -9
        assert processes.process(new)
    finally:
        for pid in (master.pid, left.pid, new):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9) if pid else None
