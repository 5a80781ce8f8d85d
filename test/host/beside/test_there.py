"""Which releases are not to be removed: those of whatever runs in them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from raab.host import processes
from raab.host.beside import there
from raab.host.paths import Paths

ID = "20260101T000000Z-aaaaaaa"


@pytest.mark.parametrize(
    ("group", "stays"),
    [
        ("/system.slice/shop.service", True),
        ("/system.slice/system-shop.slice/shop@worker-1.service", True),
        ("/system.slice/raabnow77x1.service", True),
        ("/system.slice/shop-two.service", False),
        ("/user.slice", False),
    ],
    ids=["a worker that retires", "a process", "a command", "another service's", "somebody's shell"],
)
def test_a_release_stays_while_something_of_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, stays: bool) -> None:
    """A process of the service's that has nothing else of the release's than the folder it is in. systemd's groups are told."""
    paths = Paths("shop", opt=tmp_path / "opt", etc=tmp_path / "etc", run=tmp_path / "run")
    (paths.release(ID) / "app").mkdir(parents=True)
    with subprocess.Popen(("sleep", "60"), cwd=paths.release(ID) / "app", env={}) as process:
        monkeypatch.setattr(processes, "control_group", lambda pid: group if pid == process.pid else "/init.scope")
        try:
            assert there.releases(paths) == (frozenset([ID]) if stays else frozenset())
        finally:
            process.kill()
    assert there.releases(paths) == frozenset()
