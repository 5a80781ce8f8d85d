"""raab's own code for hosts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import raab
from raab.deploy.bundle import requires
from raab.deploy.bundle.lockfile import read
from raab.project import runtime

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from raab.project import runtime
assert runtime.SOURCE == Path(sys.argv[1]), runtime.SOURCE
runtime.pack(Path(sys.argv[2]))
print(runtime.whole_digest())
"""


def test_an_installed_raab_packs_the_same_bytes_as_a_checkout(tmp_path: Path) -> None:
    """An installation has real files where the checkout has links, bytecode, and files that can be run or not as pip had it."""
    site = tmp_path / "site"
    for package in runtime.PACKAGES:
        shutil.copytree(runtime.SOURCE / package, site / package)
    (site / "raab/__pycache__").mkdir(exist_ok=True)
    (site / "raab/__pycache__/x.pyc").write_bytes(b"x")
    (site / "raab/errors.py").chmod(0o755)
    there = tmp_path / "there"
    there.mkdir()
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(site), str(there)], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    here = runtime.pack(tmp_path)
    assert here.read_bytes() == (there / here.name).read_bytes()
    assert done.stdout.strip() == runtime.whole_digest()


def test_a_host_gets_nothing_of_the_deployers_and_all_that_serves(tmp_path: Path) -> None:
    names = zipfile.ZipFile(runtime.pack(tmp_path)).namelist()
    folders = {"/".join(name.split("/")[:2]) for name in names}
    assert not folders & {"raab/deploy", "raab/lab", "raab/drill", "raab/project", "raab/init"}
    assert folders >= {"raab/served", "raab/host", "raab/config", "handover/master.py", "http1/request"}
    assert {f"raab/config/{name}.yaml" for name in ("config", "setting", "logging")} <= set(names)


def test_it_says_what_it_needs_as_the_distribution_does_and_no_framework_is_among_it(tmp_path: Path) -> None:
    about = requires.read(runtime.pack(tmp_path))
    assert (about.name, about.version, about.requires) == ("raab", runtime.version(), runtime.needs())
    assert not [line for line in about.requires if line.lower().startswith(("flask", "werkzeug"))]


def test_the_units_and_gunicorn_py_of_other_projects_are_raabs_own() -> None:
    """The repository has each once, and the package leads to it."""
    assert runtime.GUNICORN.read_bytes() == (ROOT / "gunicorn.py").read_bytes()
    wanted = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in (ROOT / "systemd").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in runtime.units().items()} == wanted


def test_uv_as_hosts_get_it_is_the_one_of_the_tests() -> None:
    (ours,) = (one for one in read(Path(raab.__file__).parent / "project/tools.lock").locked if one.name == "uv")
    assert ours == next(one for one in read(ROOT / "requirements-dev.lock").locked if one.name == "uv")
