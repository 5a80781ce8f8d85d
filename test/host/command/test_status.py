"""`raab status`, and what processes weigh."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from raab.host.command import status
from raab.host.master import overview
from raab.host.master.memory import Memory, memory
from raab.host.paths import Paths

MB = 1 << 20


def told(**more: Any) -> dict[str, Any]:
    """A master's word."""
    workers = [
        {"pid": pid, "generation": 3, "phase": "serving", "age": 61.5, "requests": 12, "connections": 3, "active": 1} for pid in (11, 12)
    ]
    return {
        "pid": 7, "release": "20261126T101500Z-10f9448", "bind": "", "generation": 3, "incoming": None, "target": 4, "configured": 2,
        "bounds": [1, 32], "one_by_one": False, "started": 1000.0, "workers": workers,
        "reload": {"good": True, "reason": "", "generation": 3, "seconds": 0.5, "at": 4000.0, "replaced": False}, **more,
    }  # fmt: skip


def shown(monkeypatch: pytest.MonkeyPatch, word: dict[str, Any]) -> str:
    """As a person reads it an hour and a bit after the start. Each process of the master's weighs the same, but pid 12, which is not
    ours to see."""
    monkeypatch.setattr(overview, "ask", lambda paths, seconds, verb: word)
    monkeypatch.setattr(overview, "memory", lambda pid: None if pid == 12 else Memory(8 * MB, 40 * MB, 20 * MB))
    return status.render(overview.document(Paths("raab"), 1.0), 4661.0, "raab")


def test_a_shared_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template in a row of its own; a hand-over takes what is shared once more, and so many workers."""
    word = told(load={"mode": "shared", "why": ""}, templates=[{"pid": 9, "generation": 3, "ready": True}])
    assert (
        shown(monkeypatch, word)
        == """\
release      20261126T101500Z-10f9448
generation   3
workers      2 serving, target 4 (bounds 1 to 32, configured 2)
loaded       once for all workers
master       7, up 1 h 1 m
last reload  11 m 1 s ago, done, took 0.50 s
memory       8 MB in workers and 32 MB that they share, a hand-over takes 64 MB more

     PID  GENERATION  PHASE           AGE   PRIVATE    SHARED   REQUESTS   OPEN   BUSY
       9           3  template                 8 MB     40 MB
      11           3  serving     1 m 1 s      8 MB     40 MB         12      3      1
      12           3  serving     1 m 1 s         ?         ?         12      3      1"""
    )


def test_why_each_worker_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the master's own words."""
    why = "it opened a connection to 127.0.0.1:6379 while it was loaded"
    text = shown(monkeypatch, told(load={"mode": "each", "why": why}, templates=[]))
    assert f"\nloaded       by each worker: {why}\n" in text
    assert "\nmemory       8 MB in workers, a hand-over takes 32 MB more\n" in text


def test_a_template_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is being made anew, or another generation's, forks no worker of this one."""
    templates = [{"pid": 8, "generation": 2, "ready": True}, {"pid": 9, "generation": 3, "ready": False}]
    text = shown(monkeypatch, told(load={"mode": "shared", "why": ""}, templates=templates))
    assert "\nloaded       once for all workers, and now once more: there is no template\n" in text
    assert "       9           3  loading " in text


def test_a_master_without_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an older release, which a new command asks."""
    text = shown(monkeypatch, told())
    assert "loaded" not in text and "template" not in text and "8 MB in workers, a hand-over" in text


@contextmanager
def child(name: str) -> Iterator[int]:
    """A fork that goes by that name, and writes to none of its parent's memory."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        Path("/proc/self/comm").write_text(name)
        os.write(tell, b".")
        signal.pause()
    os.read(ready, 1)
    try:
        yield pid
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(tell)


def test_what_a_fork_shares() -> None:
    """Its parent's pages are shared until one of them writes."""
    with mmap.mmap(-1, 32 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        pages.write(b"x" * 32 * MB)
        alone = memory(os.getpid())
        with child("worker") as pid:
            weight = memory(pid)
        assert alone and weight
        assert alone.private > 32 * MB and weight.shared > 32 * MB > 8 * MB > weight.private
        assert weight.private < weight.part < weight.private + weight.shared
    assert memory(2**22 + 1) is None
