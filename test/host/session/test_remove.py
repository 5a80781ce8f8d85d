"""A service is taken off a host that is a folder of the test's own; systemctl is a script, which says of each unit what it was told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.host.session import program, service, ways
from raab.host.session import remove as module
from raab.host.session.remove import remove
from raab.host.units import claim, unitfiles
from raab.protocol.requests import Remove


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    (tmp_path / "bin").mkdir()
    for name in ("systemctl", "userdel", "groupdel"):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\necho {name} "$*" >>{tmp_path}/asked\n[ "$1" != show ] || cat {tmp_path}/state\n')
        script.chmod(0o755)
    (tmp_path / "state").write_text("ActiveState=inactive\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "usr/local/bin", tmp_path / "var/lib")


def add(roots: Paths, name: str) -> Paths:
    """A service as a deploy leaves it."""
    paths = roots._replace(name=name)
    claim.take(paths)
    for folder in (paths.releases, paths.state, paths.deploying, paths.configuration / "credentials", paths.units):
        folder.mkdir(parents=True, exist_ok=True)
    (paths.state / "data").touch()
    unitfiles.copy((*unitfiles.lasting(paths), unitfiles.UnitFile(b"", paths.units / paths.unit)))
    program.install(paths, {"raab/__init__.py": b""}, "1.0")
    ways.offer(paths)
    return paths


def files(roots: Paths, name: str) -> list[str]:
    base = roots.opt.parent
    return sorted(str(path.relative_to(base)) for path in base.rglob("*") if name in path.parts or path.name.startswith(f"{name}."))


def test_what_a_service_has_written_stays_and_can_be_taken_up_again(roots: Paths) -> None:
    shop, blog = add(roots, "shop-x"), add(roots, "blog-x")
    before = files(roots, "blog-x")
    assert remove(shop, False, lambda text: None)
    assert (shop.state / "data").exists() and (shop.configuration / "credentials").exists()
    assert not shop.root.exists() and not (shop.units / shop.unit).exists() and not (roots.etc / "tmpfiles.d/shop-x.conf").exists()
    assert files(roots, "blog-x") == before and program.faults(blog, program.started(blog)) == []
    asked = (roots.opt.parent / "asked").read_text()
    assert "blog-x" not in asked and "userdel" not in asked and "stop shop-x.service raab-root@shop-x.socket" in asked
    assert claim.foreign(shop) == []


def test_nothing_of_a_purged_one_is_left(roots: Paths) -> None:
    """And of the host's last one, root's program neither."""
    shop, blog = add(roots, "shop-x"), add(roots, "blog-x")
    assert remove(shop, True, lambda text: None)
    assert files(roots, "shop-x") == [] and program.faults(blog, program.started(blog)) == []
    assert "userdel shop-x" in (roots.opt.parent / "asked").read_text()
    assert remove(blog, False, lambda text: None)
    assert not roots.roots_own.exists() and not roots.command.exists() and not list(roots.units.iterdir())
    assert remove(shop, False, lambda text: None) is False


def deep(path: Path) -> None:
    """Deeper than a process may call itself or hold descriptors, and than a path may be long."""
    program = (
        "import os, sys\nos.chdir(sys.argv[1])\n"
        "for _ in range(3000):\n    os.mkdir('deep')\n    os.chdir('deep')\nopen('file', 'w').close()\n"
    )
    subprocess.run((sys.executable, "-c", program, str(path.parent)), check=True)


def listening(path: Path) -> None:
    # By the folder's descriptor, for an address is no longer than 107 bytes (unix(7)).
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def elsewhere(path: Path) -> Path:
    """A folder of nobody's, on the same host."""
    return next(found for folder in path.parents if (found := folder / "elsewhere").is_dir())


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a link to a folder elsewhere": lambda path: path.symlink_to(elsewhere(path)),
    "a link to a file elsewhere": lambda path: path.symlink_to(elsewhere(path) / "file"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to the root": lambda path: path.symlink_to("/"),
    "a hard link to a file elsewhere": lambda path: path.hardlink_to(elsewhere(path) / "file"),
    "a FIFO": os.mkfifo,
    "a socket": listening,
    "a name that is an option": lambda path: path.with_name("-rf").mkdir(),
    "a name with lines and escapes": lambda path: path.with_name("a\nb\x1b]0;owned\x07").touch(),
    "a name that is no text": lambda path: path.with_name(os.fsdecode(b"left\xff\xfe")).mkdir(),
    "a name of 255 bytes": lambda path: path.with_name("x" * 255).touch(),
    "a folder that nobody may enter": lambda path: path.mkdir(mode=0),
    "a folder without end": deep,
    "a folder of very many": lambda path: (path.mkdir(), [(path / str(number)).touch() for number in range(5000)]),
    "a file larger than the disk": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_whatever_a_service_has_left_goes_and_nothing_else(roots: Paths, what: str) -> None:
    """What it may write to, it may have made to lead root elsewhere, or to have it never end."""
    kept = roots.opt.parent / "elsewhere/file"
    kept.parent.mkdir()
    kept.write_text("not its own")
    shop, _ = add(roots, "shop-x"), add(roots, "blog-x")
    shop.runtime.mkdir(parents=True)
    before = files(roots, "blog-x")
    for folder in (shop.state, shop.runtime):
        HOSTILE[what](folder / "left")
    assert claim.foreign(shop) == []
    assert remove(shop, True, lambda text: None)
    assert files(roots, "shop-x") == [] and files(roots, "blog-x") == before
    assert kept.read_text() == "not its own"


def test_what_is_not_raab_s_is_left_alone(roots: Paths) -> None:
    other = roots._replace(name="other-x")
    (other.root / "bin").mkdir(parents=True)
    with pytest.raises(RaabError, match=r"service other-x: it is not raab's, got .*/opt/other-x with bin"):
        remove(other, True, lambda text: None)
    assert (other.root / "bin").exists()


def test_a_service_that_does_not_end_keeps_its_files(roots: Paths) -> None:
    shop = add(roots, "shop-x")
    (roots.opt.parent / "state").write_text("ActiveState=deactivating\n")
    with pytest.raises(RaabError, match=r"stop shop-x: it did not end, got deactivating"):
        remove(shop, True, lambda text: None)
    assert shop.releases.exists() and (shop.units / shop.unit).exists()


def test_what_starts_it_by_its_address_goes_first(roots: Paths) -> None:
    """An operator's own socket would start it at the next request."""
    shop = add(roots, "shop-x")
    (roots.opt.parent / "state").write_text("ActiveState=inactive\nTriggeredBy=shop-x.socket\n")
    remove(shop, False, lambda text: None)
    asked = (roots.opt.parent / "asked").read_text()
    assert "disable --quiet shop-x.service shop-x.socket" in asked and "stop shop-x.socket shop-x.service" in asked


def test_a_user_that_cannot_go_is_told_and_the_name_stays_raab_s(roots: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """userdel(8) refuses where a process is still the user's; nothing is called done that is not, and the next one completes it."""
    shop = add(roots, "shop-x")
    monkeypatch.setattr(module, "uid_of_user", lambda paths: 999)
    with pytest.raises(RaabError, match=r"purge: the user shop-x stays, got .*\nhint: `pgrep -u shop-x`"):
        remove(shop, True, lambda text: None)
    assert claim.ours(shop)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{roots.opt.parent / 'bin'}:{os.environ['PATH']}")
    assert remove(shop, True, lambda text: None) and files(roots, "shop-x") == []


def test_nothing_is_removed_twice(roots: Paths) -> None:
    """What stays says whose it is; it is no service."""
    shop = add(roots, "shop-x")
    assert remove(shop, False, lambda text: None) and not remove(shop, False, lambda text: None)
    assert remove(shop, True, lambda text: None) and not remove(shop, True, lambda text: None)


def test_a_deployer_who_has_gone_ends_no_removal(roots: Paths) -> None:
    """Nobody hears of its steps then; it goes on to its end."""
    shop = add(roots, "shop-x")

    def gone(event: object) -> None:
        raise BrokenPipeError

    assert service.answer(shop, Remove(), gone, {}).removed
    assert not shop.root.exists()
