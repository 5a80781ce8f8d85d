"""The sdist and the wheel: what is in them, and that nothing but the commit decides it."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PROMISED = (
    *("run.py", "wsgi.py", "gunicorn.py", "fabfile.py"),
    *("setup.py", "pyproject.toml", "MANIFEST.in", "Makefile", "LICENSE", ".gitignore"),
    *("readme.md", "changelog.md", "contributing.md", "SECURITY.md", "RELEASING.md"),
    *("requirements.lock", "requirements-dev.in", "requirements-dev.lock"),
    *(".github/", "bench/run.py", "deploy/", "docs/", "systemd/"),
    *("test/test_distribution.py", "src/raab/config/setting.yaml", "src/raab/__init__.py"),
)
# Files of the repository that the sdist has not, and why.
LEFT_OUT = {".ci/run": "it makes a bare machine one that can run `make test`, for the forge that this repository lies on"}


@functools.cache
def files() -> tuple[str, ...]:
    """What git would check out, and what is not committed yet; of an unpacked sdist, what its list of sources names."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
        names = listed.stdout.decode().split("\0")
    else:
        names = (ROOT / "src/raab.egg-info/SOURCES.txt").read_text().splitlines()
    return tuple(name for name in names if name and ".egg-info/" not in name and (ROOT / name).is_file())


def checkout(target: Path) -> Path:
    for name in files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
        (target / name).chmod((ROOT / name).stat().st_mode)
    return target


def build(tree: Path, out: Path, *, umask: int = 0o022, what: tuple[str, ...] = ()) -> Path:
    """`python -m build` without the network, from a neutral directory: the root's gunicorn.py must not get in the way."""
    command = [sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", str(out), str(tree)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    done = subprocess.run(command, cwd=tree.parent, env=environment, capture_output=True, text=True, umask=umask, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("first")
    return build(checkout(base / "tree"), base / "dist")


def names(built: Path) -> tuple[Path, Path]:
    return next(built.glob("*.tar.gz")), next(built.glob("*.whl"))


def test_the_sdist_carries_what_the_manifest_promises(built: Path) -> None:
    """A clone and an unpacked sdist can do the same: build, test, deploy."""
    with tarfile.open(names(built)[0]) as archive:
        members = [name.partition("/")[2] for name in archive.getnames()]
    missing = [name for name in PROMISED if not any(member.startswith(name) for member in members)]
    assert not missing
    assert not [member for member in members if "__pycache__" in member or ".venv" in member or ".git/" in member]


def test_the_sdist_carries_what_git_does(built: Path) -> None:
    """No file of the repository is missing but for a reason, and nothing else is there but what setuptools writes."""
    with tarfile.open(names(built)[0]) as archive:
        members = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    wanted = set(files())
    assert len(wanted) > 800
    assert wanted - members == LEFT_OUT.keys() & wanted
    assert {name for name in members - wanted if not name.startswith("src/raab.egg-info/")} == {"PKG-INFO", "setup.cfg"}


def test_the_wheel_owns_three_names(built: Path) -> None:
    """It installs raab, handover, http1 and its own metadata; nothing as common as `config` or `test`."""
    with zipfile.ZipFile(names(built)[1]) as archive:
        files = archive.namelist()
    assert {name.split("/")[0] for name in files if ".dist-info/" not in name} == {"raab", "handover", "http1"}
    assert {f"raab/config/{name}.yaml" for name in ("config", "setting", "logging")} <= set(files)
    in_src = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py")}
    assert {name for name in files if name.endswith(".py")} == in_src


def test_the_sdist_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    """Whoever has only the sdist, of which `build` makes the wheel where it is to make both, gets what a checkout makes, byte for byte."""
    direct = build(checkout(tmp_path / "tree"), tmp_path / "dist", what=("--wheel",))
    assert names(built)[1].read_bytes() == next(direct.glob("*.whl")).read_bytes()


def test_two_builds_are_byte_identical(built: Path, tmp_path: Path) -> None:
    """Another directory, another umask, other file times and modes: the same bytes."""
    tree = checkout(tmp_path / "elsewhere" / "deep")
    for path in tree.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1, 1_000_000_000))
    again = build(tree, tmp_path / "dist", umask=0o077)
    digests = [[hashlib.sha256(path.read_bytes()).hexdigest() for path in names(out)] for out in (built, again)]
    assert digests[0] == digests[1]


def test_a_deleted_module_does_not_come_back(tmp_path: Path) -> None:
    """A wheel is of what is in src now, not of what an earlier build left in build/."""
    tree = checkout(tmp_path / "tree")
    (tree / "src/raab/gone.py").write_text("")
    build(tree, tmp_path / "one", what=("--wheel",))
    (tree / "src/raab/gone.py").unlink()
    wheel = next(build(tree, tmp_path / "two", what=("--wheel",)).glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        assert "raab/gone.py" not in archive.namelist()


def test_the_wheel_installs_into_an_empty_venv(built: Path, tmp_path: Path) -> None:
    """And its version is the one that setup.py says, which its command tells."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(tmp_path / "venv")], check=True, capture_output=True)
    python = tmp_path / "venv/bin/python"
    install = [*uv, "pip", "install", "-q", "--offline", "--no-deps", "--python", str(python), str(names(built)[1])]
    subprocess.run(install, check=True, capture_output=True)
    code = "import importlib.metadata as m, importlib.util as u, raab; assert u.find_spec('handover'); print(m.version('raab'))"
    said = subprocess.run([str(python), "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path).stdout.strip()
    match = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text())
    assert match and said == match[1]
    command = [str(tmp_path / "venv/bin/raab"), "--version"]
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout == f"raab {match[1]}\n"
    told = metadata(names(built)[1])
    assert (told["Author"], told["License"], told["License-File"]) == ("the raab developers", "MIT", "LICENSE")
    assert told.get_payload() == (ROOT / "readme.md").read_text()
    # What the readme claims, and what CI runs.
    assert {f"Programming Language :: Python :: {python}" for python in PYTHONS} <= {*told.get_all("Classifier", ())}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_string(archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))).decode())


def test_a_build_says_which_one_of_its_version_it_is(tmp_path: Path) -> None:
    """A wheel by its number, a checkout by its commit: on a host the later one stays (raab.host.session.program)."""
    told = {}
    code = "from raab.deploy.hosts import wire; print(wire.version())"
    tree = checkout(tmp_path / "tree")
    shutil.copy(ROOT / "Makefile", tree)
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    when = {**os.environ, "GIT_COMMITTER_DATE": "@1795772101 +0000"}
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "one")):
        subprocess.run((*git, *words), cwd=tree, env=when, check=True)
    (tree / ".venv/bin").mkdir(parents=True)
    (tree / ".venv/ready").touch()
    (tree / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tree / ".venv/bin/python").chmod(0o755)
    subprocess.run(("make", "dist"), cwd=tree, check=True, capture_output=True)
    (wheel,) = (tree / "dist").glob("*.whl")
    subprocess.run((sys.executable, "-m", "zipfile", "-e", str(wheel), str(tmp_path / "installed")), check=True)
    for name, folder in (("wheel", tmp_path / "installed"), ("checkout", tree / "src")):
        done = subprocess.run(
            (sys.executable, "-c", code), cwd="/", env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
        )
        told[name] = done.stdout.strip()
    assert set(told.values()) == {f"{wheel.name.split('-')[1]}+1795772101"}, told


def lock(name: str) -> dict[str, list[tuple[Requirement, int]]]:
    """The lock's entries by name, each with the number of its hashes."""
    entries: dict[str, list[tuple[Requirement, int]]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        requirement = Requirement(block.split("\n")[0].rstrip("\\ "))
        entries.setdefault(requirement.name.lower(), []).append((requirement, block.count("--hash=sha256:")))
    return entries


def requirements() -> list[Requirement]:
    text = (ROOT / "setup.py").read_text()
    block = re.search(r"install_requires=\[(.*?)\n    \]", text, re.DOTALL)
    assert block
    return [Requirement(found) for found in re.findall(r'^\s+"([^"]+)",$', block[1], re.MULTILINE)]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_is_pinned_and_hashed(name: str) -> None:
    """Every entry names one version and its hashes, and no machine or index is named."""
    for entries in lock(name).values():
        for requirement, hashes in entries:
            assert [spec.operator for spec in requirement.specifier] == ["=="]
            assert hashes > 0
    assert not re.search(r"://|--index|--find-links|^#.*/", (ROOT / name).read_text(), re.MULTILINE)


def test_the_lock_fits_setup_py() -> None:
    """Each dependency of setup.py is in the lock, in a version that it allows, for every Python from 3.10 to 3.14."""
    entries = lock("requirements.lock")
    for requirement in requirements():
        for python in PYTHONS:
            host = {"python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython"}
            host |= {"platform_python_implementation": "CPython", "sys_platform": "linux", "os_name": "posix"}
            fitting = [locked for locked, _ in entries[requirement.name.lower()] if not locked.marker or locked.marker.evaluate(host)]
            assert len(fitting) == 1, f"{requirement.name} on {python}"
            version = next(iter(fitting[0].specifier)).version
            assert requirement.specifier.contains(version)
