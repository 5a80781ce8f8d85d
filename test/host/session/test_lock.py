from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.session import lock

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
        assert told["pid"] == process.pid
        process.kill()
    assert lock.holder(file) is None
    os.close(lock.acquire(file, WHO))


def test_a_text_of_another_process_with_the_same_pid_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text(json.dumps({**WHO, "pid": os.getpid(), "started": "1"}))
    assert lock.holder(file) is None
    file.write_text("not JSON")
    assert lock.holder(file) is None
