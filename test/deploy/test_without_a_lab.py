"""A machine that can carry no lab: its user is not root, or it is not Debian's. That is said in two lines, with the other way out, and all
else works. The user is real, in a namespace of its own; what of Debian is there is what PATH has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raab import exitcodes
from raab.lab import needs

BIN = Path(sys.executable).parent
NOBODY, ROOT_ELSEWHERE = ("unshare", "--user", "--map-user=1000"), ("unshare", "--user", "--map-root-user")


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """A PATH with all that this machine has but what is Debian's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "ssh", "ssh-keygen", "ip", "unshare", "setpriv", "sh", "env"):
        found = shutil.which(name)
        assert found or name == "ip", name
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


def typed(root: Path, *words: str, who: tuple[str, ...] = NOBODY, path: str = "") -> tuple[int, list[str]]:
    """The exit code, and the lines that were said."""
    environ = {**os.environ, "RAAB_LAB": "nothere", "PATH": f"{BIN}:{path or os.environ['PATH']}"}
    unshare = (shutil.which(who[0]) or who[0], *who[1:])
    done = subprocess.run((*unshare, *words), cwd=root, env=environ, capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("verb", ["deploy", "lab.up", "lab.down"])
def test_without_root_there_is_no_lab(tree: Path, verb: str) -> None:
    shutil.copy(Path(__file__).parents[2] / "fabfile.py", tree)
    (tree / "deploy/lab.yaml").write_text("hosts: lab\n")
    code, said = typed(tree, "fab", verb)
    assert code == 1 and said == [
        "lab: only root can start hosts, got user id 1000",
        "hint: run the same command as root, or --env NAME with hosts of your own, as deploy/NAME.yaml has them",
    ]


def test_where_it_is_not_debian_there_is_no_lab(tree: Path, elsewhere: str) -> None:
    """Nobody is told to type apt-get who has none."""
    shutil.copy(Path(__file__).parents[2] / "fabfile.py", tree)
    (tree / "deploy/lab.yaml").write_text("hosts: lab\n")
    code, said = typed(tree, "fab", "deploy", who=ROOT_ELSEWHERE, path=elsewhere)
    assert code == 1 and len(said) == 2
    assert said[0].startswith("lab: its hosts are Debian's, made by Debian's tools, got none called systemd-nspawn, debootstrap")
    assert said[1] == "hint: use Debian or Ubuntu, or --env NAME with hosts of your own, as deploy/NAME.yaml has them"


def test_on_a_mac_there_is_no_lab() -> None:
    """No Mac can be had here."""
    reason = needs.missing("darwin", 501, lambda program: None)
    assert reason and str(reason).splitlines() == [
        "lab: its hosts are Linux containers, got 'darwin'",
        "hint: use Linux, or --env NAME with hosts of your own, as deploy/NAME.yaml has them",
    ]


def test_a_deploy_to_other_hosts_needs_neither(tree: Path, elsewhere: str) -> None:
    """The bundle is built, and the host asked, which is not there."""
    shutil.copy(Path(__file__).parents[2] / "fabfile.py", tree)
    (tree / "deploy/away.yaml").write_text("hosts: {h1: {address: 127.0.0.1, port: 1}}\n")
    code, said = typed(tree, "fab", "deploy", "--env", "away", path=elsewhere)
    assert code == exitcodes.UNREACHABLE and "h1" in " ".join(said), said
    assert list((tree / "build/raab/bundles").glob("*/*"))


def test_a_beginner_is_told_where_to_go_on(tmp_path: Path, elsewhere: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/app.py").write_text("from flask import Flask\napp = Flask('x')\n")
    for who, path, why in (
        (NOBODY, "", "lab: only root can start hosts, got user id 1000"),
        (ROOT_ELSEWHERE, elsewhere, "lab: its hosts are Debian's, made by Debian's tools"),
    ):
        code, said = typed(tmp_path / "shop", "raab", "init", who=who, path=path)
        assert code == 0
        assert said[-2].startswith(f"next         no lab on this machine: {why}")
        assert said[-1] == "             name your servers in deploy/production.yaml, then fab deploy --env production"
        shutil.rmtree(tmp_path / "shop/deploy")
        (tmp_path / "shop/fabfile.py").unlink()
