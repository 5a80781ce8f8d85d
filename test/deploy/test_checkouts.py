"""Every verb of fab in a checkout that is read-only, or whose build folder is not what raab has made of it. Nowhere a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raab.deploy.guard import guarded

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "src", "systemd", "setup.py", "pyproject.toml", "MANIFEST.in", "requirements.lock", "requirements-dev.lock", "wsgi.py", "gunicorn.py",
    "fabfile.py",
)  # fmt: skip
FAB = str(Path(sys.executable).parent / "fab")
SEAL = ("unshare", "--mount", "sh", "-c", 'mount --bind . . && mount -o remount,ro,bind . . && cd "$PWD" && exec "$@"', "sh")
AWAY = ("--env", "away")
# Those that read or write the checkout, with the words that they take; and all others that need no host to end.
NEAR = {"build": (), "deploy": AWAY, "plan": AWAY, "lock": ()}
FAR = {
    "doctor": AWAY, "drill": ("--list",), "history": AWAY, "logs": AWAY, "remove": ("raab", "--yes", *AWAY), "releases": AWAY,
    "reload": AWAY, "restart": AWAY, "rollback": AWAY, "scale": ("1", *AWAY), "status": AWAY, "unlock": AWAY, "lab.list": (),
    "lab.down": (),
    "lab.cut": ("x",), "lab.fresh": ("x",), "lab.heal": ("x",), "lab.kill": ("x",), "lab.reboot": ("x",), "lab.start": ("x",),
    "lab.up": ("--hosts", "x"),
}  # fmt: skip


def never_built(root: Path) -> None:
    """Nothing of raab's yet."""
    shutil.rmtree(root / "build", ignore_errors=True)


def as_it_was(root: Path) -> None:
    """Built once."""


def emptied(root: Path) -> None:
    for path in (root / "build/raab").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def scrambled(root: Path) -> None:
    for path in (root / "build/raab").rglob("*"):
        if path.is_file():
            path.write_bytes(b"\xff\x00{[\n" * 40)


def a_file(root: Path) -> None:
    shutil.rmtree(root / "build")
    (root / "build").write_text("")


def a_link_to_nowhere(root: Path) -> None:
    shutil.rmtree(root / "build")
    (root / "build").symlink_to("/nowhere/at/all")


STATES: tuple[tuple[Callable[[Path], None], bool, int], ...] = (
    (never_built, True, 2), (as_it_was, True, 0), (a_file, True, 2), (emptied, False, 0), (scrambled, False, 0), (a_file, False, 2),
    (a_link_to_nowhere, False, 2),
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, root / name)
    (root / "deploy").mkdir()
    for name in ("lab.yaml", "config.yaml"):
        shutil.copy(ROOT / "deploy" / name, root / "deploy")
    (root / "deploy/away.yaml").write_text("hosts: {h1: {address: 127.0.0.1, port: 1}}\n")
    return root


def run(root: Path, sealed: bool, *words: str) -> subprocess.CompletedProcess[str]:
    """Where it is `sealed`, in a mount namespace of its own, in which the checkout is read-only: root would write to any file."""
    command = (*(SEAL if sealed else ()), FAB, *words)
    environ = {**os.environ, "RAAB_LAB": f"none{os.getpid()}"}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, env=environ)


@pytest.mark.parametrize(
    ("state", "sealed", "code", "verbs"),
    [
        pytest.param(*STATES[0], {"build": (), "plan": AWAY}, id="some"),
        *(pytest.param(*state, {**NEAR, **FAR}, id=f"all-{number}", marks=pytest.mark.prove) for number, state in enumerate(STATES)),
    ],
)
def test_no_verb_minds(project: Path, state: Callable[[Path], None], sealed: bool, code: int, verbs: dict[str, tuple[str, ...]]) -> None:
    """What can be done without writing is done; else what cannot be written is named. `code` is that of a build."""
    if sealed and os.geteuid():
        pytest.skip("only root makes a folder read-only for itself")
    if state is not never_built:
        assert run(project, False, "build").returncode == 0
    for verb, words in verbs.items():
        state(project)
        done = run(project, sealed, verb, *words)
        said = done.stdout + done.stderr
        assert "Traceback" not in said and "Exception" not in said and done.returncode in (0, 1, 2, 3), (verb, said)
        if verb == "build":
            assert done.returncode == code, said
        if verb == "lock" and sealed:
            assert (done.returncode, "deploy/requirements.lock: Read-only file system" in done.stderr) == (1, True), said
        if (project / "build").is_symlink() or (project / "build").is_file():
            (project / "build").unlink()
            (project / "build").mkdir()


def test_what_the_machine_refuses_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever file it was that a verb could not write, or read."""

    @guarded(bounded=False)
    def verb() -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/where")

    with pytest.raises(SystemExit) as ended:
        verb()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "/some/where: No space left on device\nhint: --debug shows where it was met\n"


def test_init_in_a_folder_that_is_read_only(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root makes a folder read-only for itself")
    (tmp_path / "shop.py").write_text("def application(environ, start_response): return []\n")
    words = (str(Path(FAB).with_name("raab")), "init", "--app", "shop:application", "--python", sys.executable)
    done = subprocess.run((*SEAL, *words), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, f"raab init: {tmp_path}/fabfile.py: Read-only file system\n")
