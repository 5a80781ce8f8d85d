from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.session import lock
from raab.lab.process import until

WHO = {"who": "ann", "machine": "laptop", "what": "deploy of x"}


def test_a_held_lock_names_its_holder_and_the_way_out(tmp_path: Path) -> None:
    """Who, from where, since when, what for; and what to do about it."""
    file = tmp_path / "run" / "lock"
    held = lock.acquire(file, WHO)
    with pytest.raises(RaabError) as caught:
        lock.acquire(file, WHO)
    assert "held for deploy of x, got ann from laptop since " in caught.value.message
    assert "fab unlock" in caught.value.hint
    assert caught.value.exit_code == 6
    os.close(held)
    os.close(lock.acquire(file, WHO))


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    """Killed without a chance to clean up: the next one gets it, and the text left behind names nobody."""
    file = tmp_path / "lock"
    code = f"from raab.host.session.lock import acquire; from pathlib import Path; acquire(Path({str(file)!r}), {WHO!r})"
    code += "; print(1, flush=True); input()"
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        told = lock.holder(file)
        assert told is not None
        assert (told.who, told.machine) == (WHO["who"], WHO["machine"])
        process.kill()
    assert lock.holder(file) is None
    os.close(lock.acquire(file, WHO))


def test_a_text_of_another_process_with_the_same_pid_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text(json.dumps({**WHO, "pid": os.getpid(), "started": "1"}))
    assert lock.holder(file) is None
    file.write_text("not JSON")
    assert lock.holder(file) is None


STUBBORN = """
import os, signal, subprocess, sys, time
from pathlib import Path
from raab.host.session import lock
from raab.lab.process import until
os.setpgid(0, 0)
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock.acquire(Path(sys.argv[1]), {"who": "ann", "machine": "laptop", "what": "deploy of x"})
child = subprocess.Popen(("sleep", "60"))
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["tame", "deaf"])
def test_who_holds_the_lock_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Told to, or killed where it does not listen; the lock is free when that is said."""
    monkeypatch.setattr(lock, "ENDING_SECONDS", 0.5)
    file = tmp_path / "lock"
    with subprocess.Popen((sys.executable, "-c", STUBBORN, str(file), kind), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        told = lock.free(file)
        assert told is not None and (told.who, told.what) == ("ann", "deploy of x")
        os.close(lock.acquire(file, WHO))
        process.wait()
    # A killed process ends when the kernel comes to it, which is no matter of the lock.
    state = Path(f"/proc/{child}/stat")
    assert until(10, lambda: not state.exists() or " Z " in state.read_text())
    assert lock.free(file) is None


def test_who_cannot_be_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "ENDING_SECONDS", 0.1)
    monkeypatch.setattr(os, "killpg", lambda *_: None)
    monkeypatch.setattr(os, "kill", lambda *_: None)
    held = lock.acquire(tmp_path / "lock", WHO)
    with pytest.raises(RaabError, match=f"does not end, not even killed, got process {os.getpid()}"):
        lock.free(tmp_path / "lock")
    os.close(held)
