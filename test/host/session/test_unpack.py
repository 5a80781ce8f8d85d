from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host import seal
from raab.host.session import unpack as unpacking
from raab.host.session.install import link_tree
from raab.host.session.unpack import Target, rows
from raab.host.verify import record_digest


def make_wheel(folder: Path, files: dict[str, str], pure: str = "true", extra: str = "") -> Path:
    """A wheel of the project `raab`, with a record."""
    everything = {
        **files,
        "raab-1.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {pure}\n",
        "raab-1.dist-info/entry_points.txt": "[console_scripts]\nraab = raab.say:main\n",
        **({extra: ""} if extra else {}),
    }
    record = "".join(f"{name},sha256={record_digest(text.encode())},{len(text)}\n" for name, text in everything.items())
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "raab-1-py3-none-any.whl", "w") as archive:
        for name, text in {**everything, "raab-1.dist-info/RECORD": record + "raab-1.dist-info/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return folder / "raab-1-py3-none-any.whl"


def unpack(wheel: Path, venv: Path, before: Path | None) -> list[Path]:
    """Into the environment of a release."""
    site = str(unpacking.site_packages(venv).relative_to(venv.parent))
    return unpacking.unpack(wheel, Target(venv.parent, site), before and before.parent)


def note(venv: Path) -> None:
    """What is installed in the release."""
    seal.write(venv.parent, seal.make(venv.parent, {}))


def make_venv(release: Path) -> Path:
    home = release / "venv"
    (home / "lib" / f"python3.{sys.version_info[1]}" / "site-packages").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(sys.executable)
    return home


def as_recorded(venv: Path) -> bool:
    """Whether each installed file is what the wheel's record says."""
    site = unpacking.site_packages(venv)
    wanted = rows((site / "raab-1.dist-info/RECORD").read_text())
    return all(record_digest((site / name).read_bytes()) == digest[7:] for name, digest in wanted.items() if digest)


FILES = {"raab/__init__.py": "", "raab/say.py": "def main(): print('said', __import__('raab').__file__)\n", "raab/same.py": "x = 1\n"}


def test_what_has_not_changed_is_linked_with_its_bytecode(tmp_path: Path) -> None:
    import compileall

    one, two = make_venv(tmp_path / "one"), make_venv(tmp_path / "two")
    assert len(unpack(make_wheel(tmp_path / "a", FILES), one, None)) == 6
    compileall.compile_dir(one, quiet=2)
    note(one)
    fresh = unpack(make_wheel(tmp_path / "b", {**FILES, "raab/say.py": "main = print\n"}), two, one)
    assert {path.name for path in fresh} == {"say.py", "RECORD"}
    first, second = (next(venv.glob("lib/*/site-packages/raab/same.py")) for venv in (one, two))
    assert first.stat().st_ino == second.stat().st_ino
    assert len(list(second.parent.glob("__pycache__/same.*.pyc"))) == 1
    assert not list(second.parent.glob("__pycache__/say.*.pyc"))
    assert as_recorded(two)


def test_bytecode_that_is_not_as_it_was_installed_is_not_taken_over(tmp_path: Path) -> None:
    import compileall

    one, two = make_venv(tmp_path / "one"), make_venv(tmp_path / "two")
    wheel = make_wheel(tmp_path / "a", FILES)
    unpack(wheel, one, None)
    compileall.compile_dir(one, quiet=2)
    note(one)
    next(one.glob("lib/*/site-packages/raab/__pycache__/same.*.pyc")).write_bytes(b"something else")
    unpack(wheel, two, one)
    assert not list(two.glob("lib/*/site-packages/raab/__pycache__/same.*.pyc"))


def test_a_file_that_was_changed_in_place_is_not_taken_over(tmp_path: Path) -> None:
    """Its record still says what it was; its content decides."""
    one, two = make_venv(tmp_path / "one"), make_venv(tmp_path / "two")
    wheel = make_wheel(tmp_path / "a", FILES)
    unpack(wheel, one, None)
    note(one)
    next(one.glob("lib/*/site-packages/raab/same.py")).write_text("x = 2\n")
    next(one.glob("lib/*/site-packages/raab/say.py")).unlink()
    assert {path.name for path in unpack(wheel, two, one)} == {"same.py", "say.py", "RECORD"}
    assert as_recorded(two)


def test_a_script_finds_the_interpreter_beside_itself(tmp_path: Path) -> None:
    """Also by a link from elsewhere, as /usr/local/bin/raab is."""
    venv = make_venv(tmp_path / "venv")
    unpack(make_wheel(tmp_path / "a", FILES), venv, None)
    link = tmp_path / "raab"
    link.symlink_to(venv / "bin/raab")
    site = next(venv.glob("lib/*/site-packages"))
    done = subprocess.run((str(link),), capture_output=True, text=True, env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"})
    assert done.stdout == f"said {site}/raab/__init__.py\n", done.stderr


def packed(folder: Path, files: dict[str, str], record: str | None = None, scripts: str = "raab = raab.say:main") -> Path:
    """A wheel, whatever it is: a record of its own, or the one that fits."""
    everything = {**files, "raab-1.dist-info/WHEEL": "Wheel-Version: 1.0\n"}
    everything["raab-1.dist-info/entry_points.txt"] = f"[console_scripts]\n{scripts}\n"
    fitting = "".join(f'"{name}",sha256={record_digest(text.encode())},{len(text)}\n' for name, text in everything.items())
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "raab-1-py3-none-any.whl", "w") as archive:
        for name, text in {
            **everything,
            "raab-1.dist-info/RECORD": record if record is not None else fitting + "raab-1.dist-info/RECORD,,\n",
        }.items():
            archive.writestr(name, text)
    return folder / "raab-1-py3-none-any.whl"


HOSTILE: dict[str, dict[str, Any]] = {
    "leads elsewhere": {"files": {"../escaped.py": "x"}},
    "leads elsewhere, from the root": {"files": {"/escaped.py": "x"}},
    "leads elsewhere, in the middle": {"files": {"raab/../../escaped.py": "x"}},
    "leads elsewhere, backwards": {"files": {"raab\\\\..\\\\escaped.py": "x"}},
    "leads elsewhere, for no file system has such a name": {"files": {f"raab/{'x' * 256}": "x"}},
    "does not name what is in it": {"files": {"raab/x.py": "x"}, "record": "raab-1.dist-info/RECORD,,\n"},
    "no record that can be read": {"files": {"other.dist-info/RECORD": "x"}},
    "a script's name that is none": {"files": {}, "scripts": "../../../escaped = raab.say:main"},
    "a script's name that is none, hidden": {"files": {}, "scripts": ".x = raab.say:main"},
    "a script that starts nothing": {"files": {}, "scripts": "x = raab.say:main();import os"},
    "a script that starts nothing, without a function": {"files": {}, "scripts": "x = raab.say"},
    "its entry points cannot be read": {"files": {}, "scripts": "= = ["},
    "both have a file of this name, got bin/python": {"files": {}, "scripts": "python = raab.say:main"},
    "both have a file of this name, got bin/flask": {"files": {}, "scripts": "flask = raab.say:main"},
    "both have a file of this name, got flask/__init__.py": {"files": {"flask/__init__.py": "x"}},
    "both have a file of this name, got bin/flask, as data": {"files": {"raab-1.data/scripts/flask": "x"}},
    "belongs nowhere": {"files": {"raab-1.data/elsewhere/x": "x"}},
    "is not what its record says": {
        "files": {"raab/x.py": "x"},
        "record": "".join(f"{name},sha256={record_digest(b'?')},1\n" for name in ("raab/x.py", "raab-1.dist-info/WHEEL",
                          "raab-1.dist-info/entry_points.txt")) + "raab-1.dist-info/RECORD,,\n",
    },
    "no SHA-256 of raab/x.py": {
        "files": {"raab/x.py": "x"},
        "record": "raab/x.py,,\nraab-1.dist-info/WHEEL,,\nraab-1.dist-info/entry_points.txt,,\nraab-1.dist-info/RECORD,,\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("why", HOSTILE)
def test_a_wheel_that_is_none_is_refused_and_changes_no_other_release(why: str, tmp_path: Path) -> None:
    """Its dependencies' environment, whose files are links to those of each release, is what it was."""
    template, venv = make_venv(tmp_path / "template"), tmp_path / "venv"
    (template / "bin/flask").write_text("the dependency's")
    (unpacking.site_packages(template) / "flask").mkdir()
    (unpacking.site_packages(template) / "flask/__init__.py").write_text("the dependency's")
    link_tree(template, venv)
    with pytest.raises(RaabError, match=re.escape(why.split(", ")[0])):
        unpack(packed(tmp_path / "wheel", **HOSTILE[why]), venv, None)
    assert (template / "bin/flask").read_text() == "the dependency's"
    assert (unpacking.site_packages(template) / "flask/__init__.py").read_text() == "the dependency's"
    assert not list(tmp_path.rglob("escaped*"))


def flagged(wheel: bytes, offset: int, value: bytes) -> bytes:
    """With other bytes in each of its directory's entries, so many after their beginning (APPNOTE, central directory header)."""
    found = bytearray(wheel)
    place = found.find(b"PK\x01\x02")
    while place >= 0:
        found[place + offset : place + offset + len(value)] = value
        place = found.find(b"PK\x01\x02", place + 1)
    return bytes(found)


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda wheel: b"",
    "no archive": lambda wheel: b"PK garbage" * 100,
    "the first half": lambda wheel: wheel[: len(wheel) // 2],
    "the last half": lambda wheel: wheel[len(wheel) // 2 :],
    "zeros in the middle": lambda wheel: wheel[:60] + bytes(200) + wheel[260:],
    "encrypted": lambda wheel: flagged(wheel, 8, b"\x01\x00"),
    "compressed in an unknown way": lambda wheel: flagged(wheel, 10, b"\x63\x00"),
    "a name that is no text": lambda wheel: flagged(wheel, 46, b"\xff\xfe"),
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_an_archive_that_cannot_be_read_is_refused(why: str, tmp_path: Path) -> None:
    wheel = packed(tmp_path / "wheel", {"raab/large.py": "x = 1\n" * 200})
    wheel.write_bytes(UNREADABLE[why](wheel.read_bytes()))
    with pytest.raises(RaabError, match="the app cannot be unpacked") as caught:
        unpack(wheel, make_venv(tmp_path / "venv"), None)
    assert len(str(caught.value).splitlines()) == 2


def test_a_wheel_that_unpacks_to_more_than_any_has_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """A few kilobytes on their way, gigabytes on the disk."""
    wheel = packed(tmp_path / "wheel", {"raab/bomb.bin": ""})
    with zipfile.ZipFile(wheel) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    big = b"0" * (1 << 20)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            if name == "raab/bomb.bin":
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
                    for _ in range(1025):
                        file.write(big)
            else:
                archive.writestr(name, content)
    venv = make_venv(tmp_path / "venv")
    with pytest.raises(RaabError, match="of a file's size"):
        unpack(wheel, venv, None)
    assert not list(unpacking.site_packages(venv).iterdir())


def test_everything_in_a_wheel_gets_its_place(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv")
    files = {
        "raab-1.data/scripts/tool": "#!python\nprint('ran')\n",
        "raab-1.data/data/share/x": "x",
        "raab-1.data/platlib/raab/y.py": "y = 1\n",
    }
    unpack(packed(tmp_path / "wheel", files), venv, None)
    assert (venv / "share/x").read_text() == "x"
    assert (unpacking.site_packages(venv) / "raab/y.py").is_file()
    assert subprocess.run((str(venv / "bin/tool"),), capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout == "ran\n"
