"""The project in a release: what is taken from the release before, and what is the service's own to write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host import seal
from raab.host.paths import Paths
from raab.host.session.install import lead_out
from raab.host.session.unpack import Target, unpack
from raab.host.units import lasting
from raab.project import archive

FILES = {"shop.py": b"x = 1\n", "data/rates.json": b"{}", "instance/seed.db": b"first"}


def packed(folder: Path, files: dict[str, bytes]) -> Path:
    target = folder / "files.zip"
    archive.write(target, {name: (content, name.endswith(".sh")) for name, content in files.items()})
    return target


def release(tmp_path: Path, name: str, files: dict[str, bytes], writable: tuple[str, ...], before: Path | None = None) -> list[str]:
    """Unpack the files as a release of that name; which of them are new."""
    home = tmp_path / name
    home.mkdir()
    fresh = unpack(packed(tmp_path, files), Target(home, "app", writable), before)
    lead_out(Paths("shop"), home, writable)
    seal.write(home, seal.make(home, {}))
    return sorted(path.relative_to(home).as_posix() for path in fresh)


def test_what_has_not_changed_is_a_link_to_the_release_before(tmp_path: Path) -> None:
    release(tmp_path, "one", FILES, ("instance",))
    fresh = release(tmp_path, "two", {**FILES, "shop.py": b"x = 2\n"}, ("instance",), tmp_path / "one")
    assert fresh == ["app/.raab/RECORD", "app/shop.py"]
    assert (tmp_path / "two/app/data/rates.json").stat().st_ino == (tmp_path / "one/app/data/rates.json").stat().st_ino


def test_what_is_writable_leads_out_of_the_release_and_its_files_wait_aside(tmp_path: Path) -> None:
    """Also one file among others, and a folder within one."""
    release(tmp_path, "one", {**FILES, "media/old/a.png": b"a", "media/own.css": b"c"}, ("instance", "media/old", "shop.db"))
    home = tmp_path / "one"
    links = {name: (home / "app" / name).readlink() for name in ("instance", "media/old", "shop.db")}
    assert links == {name: Path("/var/lib/shop") / name for name in links}
    assert (home / "seed/instance/seed.db").read_bytes() == b"first"
    assert (home / "seed/media/old/a.png").exists() and (home / "app/media/own.css").exists()


def test_nothing_that_the_service_wrote_comes_into_a_release(tmp_path: Path) -> None:
    """A folder that was writable and is none any more: the release before leads to the service's own file, of the same content today and of
    another one tomorrow."""
    release(tmp_path, "one", FILES, ("instance",))
    services = tmp_path / "state"
    services.mkdir()
    (services / "seed.db").write_bytes(b"first")
    link = tmp_path / "one/app/instance"
    link.unlink()
    link.symlink_to(services)
    release(tmp_path, "two", FILES, (), tmp_path / "one")
    (services / "seed.db").write_bytes(b"another")
    assert (tmp_path / "two/app/instance/seed.db").read_bytes() == b"first"
    assert (tmp_path / "two/app/instance/seed.db").stat().st_nlink == 1


def test_a_name_that_is_there_already_is_refused(tmp_path: Path) -> None:
    release(tmp_path, "one", FILES, ())
    with pytest.raises(RaabError, match=r"both have a file of this name, got app/shop\.py"):
        unpack(packed(tmp_path, {"shop.py": b""}), Target(tmp_path / "one", "app"), None)


def settle(tmp_path: Path, *names: str) -> None:
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    wanted = lasting.missing(state, names)
    folders = ("logs", "deep/media", "data.v1")
    subprocess.run(("/bin/sh", "-c", lasting.command(state, tmp_path / "one", wanted, folders)), check=True)


def test_it_is_filled_from_the_project_once_and_then_left_alone(tmp_path: Path) -> None:
    writable = ("instance", "logs", "deep/media", "db.sqlite3", "my things", "data.v1", "store")
    release(tmp_path, "one", {**FILES, "my things/it's": b"1"}, writable)
    settle(tmp_path, *writable)
    state = tmp_path / "state"
    assert (state / "instance/seed.db").read_bytes() == b"first"
    assert (state / "logs").is_dir() and (state / "deep/media").is_dir() and (state / "my things/it's").exists()
    # What a folder's name looks like says nothing; an application makes its files itself.
    assert (state / "data.v1").is_dir()
    assert not (state / "db.sqlite3").exists() and not (state / "store").exists()
    (state / "instance/seed.db").write_bytes(b"written")
    (state / "logs").rmdir()
    settle(tmp_path, *writable)
    assert (state / "instance/seed.db").read_bytes() == b"written"
    assert (state / "logs").is_dir()
    assert not list(state.rglob("*.part"))
