from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from raab.host.session.unpack import is_plain, unpack
from raab.host.verify import record_digest, recorded


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


def make_venv(home: Path) -> Path:
    (home / "lib" / f"python3.{sys.version_info[1]}" / "site-packages").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(sys.executable)
    return home


FILES = {"raab/__init__.py": "", "raab/say.py": "def main(): print('said', __import__('raab').__file__)\n", "raab/same.py": "x = 1\n"}


def test_what_has_not_changed_is_linked_with_its_bytecode(tmp_path: Path) -> None:
    import compileall

    one, two = make_venv(tmp_path / "one"), make_venv(tmp_path / "two")
    assert len(unpack(make_wheel(tmp_path / "a", FILES), one, None)) == 6
    compileall.compile_dir(one, quiet=2)
    fresh = unpack(make_wheel(tmp_path / "b", {**FILES, "raab/say.py": "main = print\n"}), two, one)
    assert {path.name for path in fresh} == {"say.py", "RECORD"}
    first, second = (next(venv.glob("lib/*/site-packages/raab/same.py")) for venv in (one, two))
    assert first.stat().st_ino == second.stat().st_ino
    assert len(list(second.parent.glob("__pycache__/same.*.pyc"))) == 1
    assert not list(second.parent.glob("__pycache__/say.*.pyc"))
    assert all(record_digest(path.read_bytes()) == digest for path, digest in recorded(two))


def test_a_file_that_was_changed_in_place_is_not_taken_over(tmp_path: Path) -> None:
    """Its record still says what it was; its content decides."""
    one, two = make_venv(tmp_path / "one"), make_venv(tmp_path / "two")
    wheel = make_wheel(tmp_path / "a", FILES)
    unpack(wheel, one, None)
    next(one.glob("lib/*/site-packages/raab/same.py")).write_text("x = 2\n")
    next(one.glob("lib/*/site-packages/raab/say.py")).unlink()
    assert {path.name for path in unpack(wheel, two, one)} == {"same.py", "say.py", "RECORD"}
    assert all(record_digest(path.read_bytes()) == digest for path, digest in recorded(two))


def test_a_script_finds_the_interpreter_beside_itself(tmp_path: Path) -> None:
    """Also by a link from elsewhere, as /usr/local/bin/raab is."""
    venv = make_venv(tmp_path / "venv")
    unpack(make_wheel(tmp_path / "a", FILES), venv, None)
    link = tmp_path / "raab"
    link.symlink_to(venv / "bin/raab")
    site = next(venv.glob("lib/*/site-packages"))
    done = subprocess.run((str(link),), capture_output=True, text=True, env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"})
    assert done.stdout == f"said {site}/raab/__init__.py\n", done.stderr


@pytest.mark.parametrize(("pure", "extra", "plain"), [("true", "", True), ("false", "", False), ("true", "raab-1.data/scripts/x", False)])
def test_wheels_with_more_than_pure_python_are_left_to_uv(tmp_path: Path, pure: str, extra: str, plain: bool) -> None:
    assert is_plain(make_wheel(tmp_path, FILES, pure, extra)) is plain
