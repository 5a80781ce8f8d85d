"""Where the dependencies' wheels come from: a real pip, and an index of this test's own."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from raab.deploy.bundle import lockfile, supplies, wheels
from raab.deploy.bundle.build import build, build_wheel
from raab.deploy.bundle.platforms import Platform
from raab.deploy.bundle.tree import Tree
from raab.errors import RaabError
from raab.project.pyproject import equipped

DEBIAN = Platform("3.11.2", "CPython", "glibc 2.36", "x86_64")
HASH = "--hash=sha256:" + "a" * 64
LOCK = f"""\
# made by a tool
flask==3.1.3 {HASH}
colorama==0.4.6 ; sys_platform == 'win32' {HASH}
tomli==2.0 ; python_version < '3.11' {HASH}
gevent==26.9.0 ; platform_python_implementation == 'CPython' {HASH}
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(LOCK)
    return file


def names(lock: Path, platform: Platform, only: str = "") -> list[str]:
    return [one.name for one in wheels.choose(lockfile.read(lock), platform, only)]


def test_markers_are_those_of_the_host(lock: Path) -> None:
    """Not of the machine that runs pip."""
    assert names(lock, DEBIAN) == ["flask", "gevent"]
    assert "tomli" in names(lock, Platform("3.10.1", "CPython", "glibc 2.36", "x86_64"))


def test_one_project_alone(lock: Path) -> None:
    assert names(lock, DEBIAN, only="gevent") == ["gevent"]
    with pytest.raises(RaabError, match="uv is not in it"):
        names(lock, DEBIAN, only="uv")


def test_a_newer_libc_runs_the_wheels_of_every_older_one() -> None:
    tags = DEBIAN.tags
    assert tags[0] == "manylinux_2_36_x86_64"
    assert {"manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64"} <= set(tags)
    assert "manylinux_2_37_x86_64" not in tags


@pytest.mark.parametrize("libc", ["", "musl 1.2", "glibc 3.0"])
def test_a_libc_without_wheels_is_refused(libc: str) -> None:
    with pytest.raises(RaabError, match="no wheels are known for this libc"):
        _ = Platform("3.11.2", "CPython", libc, "x86_64").tags


def entry(name: str, version: str, digest: str) -> str:
    return f"{name}=={version} --hash=sha256:{digest}\n"


def test_what_was_fetched_once_is_only_read(index: Any, lock: Path, tmp_path: Path) -> None:
    """The index is asked for the first deploy with a lock to a platform, and not again; unless what was fetched has been damaged."""
    lock.write_text(entry("plain", "1.0", index.wheel("plain", "1.0")))
    first = wheels.fetch(tmp_path, lock, DEBIAN)
    assert [part.name for part in first.parts] == ["plain-1.0-py3-none-any.whl"]
    asked = len(index.asked)
    assert wheels.fetch(tmp_path, lock, DEBIAN) == first
    assert len(index.asked) == asked
    first.parts[0].path.write_bytes(b"")
    assert wheels.fetch(tmp_path, lock, DEBIAN) == first
    assert len(index.asked) > asked
    asked = len(index.asked)
    (first.parts[0].path.parent / "index.json").write_text("")
    assert wheels.fetch(tmp_path, lock, DEBIAN) == first
    wheels.fetch(tmp_path, lock, Platform("3.13.1", "CPython", "glibc 2.41", "x86_64"))
    assert len(index.asked) > asked + 2


def refusal(root: Path, lock: Path, platform: Platform = DEBIAN) -> RaabError:
    with pytest.raises(RaabError) as raised:
        wheels.fetch(root, lock, platform)
    return raised.value


def test_three_ways_of_not_being_had_are_three_messages(index: Any, lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = index.wheel("windows", "1.0", tag="cp311-cp311-win_amd64")
    plain = index.wheel("plain", "1.0")
    lock.write_text(entry("windows", "1.0", windows))
    assert "no wheel of windows 1.0 fits Python 3.11.2 on x86_64 with glibc 2.36, and it has no source" in refusal(tmp_path, lock).message
    lock.write_text(entry("plain", "2.0", plain))
    assert refusal(tmp_path, lock).message == "wheels: the index has no such version, got plain 2.0"
    lock.write_text(entry("unheard-of", "2.0", plain))
    assert refusal(tmp_path, lock).message == "wheels: the index has no such version, got unheard-of 2.0"
    lock.write_text(entry("plain", "1.0", plain))
    index.status = 503
    assert refusal(tmp_path, lock).message.startswith("wheels: the index is not reachable, asked for plain 1.0, got http://127.0.0.1")
    index.status = 0
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:s3cret@127.0.0.1:1/simple/")
    told = refusal(tmp_path, lock)
    assert "the index is not reachable" in told.message
    assert "refused" in told.message
    assert "s3cret" not in str(told)
    assert told.exit_code == 5


def test_another_hash_is_refused(index: Any, lock: Path, tmp_path: Path) -> None:
    index.wheel("plain", "1.0")
    lock.write_text(entry("plain", "1.0", "0" * 64))
    assert "DO NOT MATCH THE HASHES" in refusal(tmp_path, lock).message


def test_an_address_is_what_is_fetched(index: Any, lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not what an index has by that name."""
    digest = index.wheel("mine", "1.0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple/")
    address = f"http://{index.place}/files/mine-1.0-py3-none-any.whl"
    lock.write_text(f"mine @ {address} --hash=sha256:{digest}\n")
    (part,) = wheels.fetch(tmp_path, lock, DEBIAN).parts
    assert part.sha256 == digest
    assert {path for path, _ in index.asked} == {"/files/mine-1.0-py3-none-any.whl"}


def test_credentials_of_an_index_reach_it_and_nothing_else(index: Any, tree: Path) -> None:
    """Not the bundle, not what is kept of it, not what hosts get."""
    digest = index.wheel("plain", "1.0")
    (tree / "requirements.lock").write_text(f"--index-url http://user:s3cret@{index.place}/simple/\n" + entry("plain", "1.0", digest))
    made = build(tree)
    fetched = wheels.fetch(tree, tree / "requirements.lock", DEBIAN)
    assert ("/simple/plain/", "user:s3cret") in index.asked
    (carried,) = (part.path for part in made.parts if part.name == "requirements.lock")
    assert carried.read_text() == entry("plain", "1.0", digest)
    kept = [path for path in (tree / "build").rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert not [path for path in kept if b"s3cret" in path.read_bytes()]
    assert "plain-1.0" in made.manifest_with(fetched.parts)


def test_what_has_no_wheel_is_built_once_from_its_source(index: Any, lock: Path, tmp_path: Path) -> None:
    """In an environment of its own; its tools are named, those that nothing pins as such; a pure one is for all hosts."""
    index.wheel("tool", "3.0")
    source, plain = index.sdist("source", "1.0", tools=("tool",)), index.wheel("plain", "1.0")
    lock.write_text(entry("source", "1.0", source) + entry("plain", "1.0", plain))
    fetched = wheels.fetch(tmp_path, lock, DEBIAN)
    assert [part.name for part in fetched.parts] == ["plain-1.0-py3-none-any.whl", "source-1.0-py3-none-any.whl"]
    assert "BUILT" in zipfile.ZipFile(fetched.parts[1].path).read("source/__init__.py").decode()
    assert [one.note for one in fetched.built] == [
        "built here from its source: source 1.0, by tool 3.0; requirements-build.lock does not pin tool 3.0"
    ]
    before = len([path for path, _ in index.asked if path.startswith("/files/source")])
    other = wheels.fetch(tmp_path, lock, Platform("3.13.1", "CPython", "glibc 2.41", "aarch64"))
    assert other.parts[1].sha256 == fetched.parts[1].sha256
    assert len([path for path, _ in index.asked if path.startswith("/files/source")]) == before


def test_its_tools_are_those_of_their_lock(index: Any, lock: Path, tmp_path: Path) -> None:
    old = index.wheel("tool", "2.0")
    index.wheel("tool", "3.0")
    lock.write_text(entry("source", "1.0", index.sdist("source", "1.0", tools=("tool",))))
    (tmp_path / "requirements-build.lock").write_text(entry("tool", "2.0", old))
    assert [one.note for one in wheels.fetch(tmp_path, lock, DEBIAN).built] == ["built here from its source: source 1.0, by tool 2.0"]
    (tmp_path / "requirements-build.lock").write_text(entry("tool", "2.0", "0" * 64))
    assert "they could not be had" in refusal(tmp_path, lock).message


def test_the_projects_own_wheel_is_built_by_the_tools_of_their_lock(index: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By those and no others, whatever an index has by now and this environment has."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    old = index.wheel("tool", "2.0")
    index.wheel("tool", "3.0")
    index.sdist("shop", "1", tools=("tool",))
    with tarfile.open(index.home / "files/shop-1.tar.gz") as sdist:
        sdist.extractall(tmp_path, filter="data")
    folder = tmp_path / "shop-1"
    nothing: Any = None
    tree = Tree(nothing, nothing, "wheel", (), content="", commit="", time=0, dirty=False)
    backend = (folder / "backend.py").read_text()
    (folder / "backend.py").write_text("from importlib import metadata\n" + backend.replace('"BUILT = True"', "metadata.version('tool')"))
    assert not equipped(folder)
    assert zipfile.ZipFile(build_wheel(folder, tree)).read("shop/__init__.py") == b"3.0"
    monkeypatch.setattr("raab.deploy.bundle.build.equipped", lambda folder: True)
    (folder / "requirements-build.lock").write_text(entry("tool", "2.0", old))
    assert zipfile.ZipFile(build_wheel(folder, tree)).read("shop/__init__.py") == b"2.0"
    (folder / "requirements-build.lock").write_text(entry("tool", "2.0", "0" * 64))
    with pytest.raises(RaabError, match=r"(?is)the wheel does not build.*hash"):
        build_wheel(folder, tree)


def test_what_is_built_and_not_pure_is_for_its_own_kind(index: Any, lock: Path, tmp_path: Path) -> None:
    ours = wheels.here()
    short = ours.minor.replace(".", "")
    source = index.sdist("native", "1.0", tag=f"cp{short}-cp{short}-linux_{ours.machine}")
    lock.write_text(entry("native", "1.0", source))
    assert len(wheels.fetch(tmp_path, lock, ours).parts) == 1
    for other in (
        Platform("3.9.1", ours.implementation, ours.libc, ours.machine),
        Platform(ours.python, ours.implementation, ours.libc, "riscv64"),
        Platform(ours.python, ours.implementation, "glibc 2.5", ours.machine),
    ):
        assert "and what was built here is native-1.0-cp" in refusal(tmp_path, lock, other).message


def test_a_source_that_does_not_build_or_may_not_be_used(index: Any, lock: Path, tmp_path: Path) -> None:
    source = index.sdist("source", "1.0", tools=("nowhere",))
    lock.write_text(entry("source", "1.0", source))
    told = refusal(tmp_path, lock)
    assert "nowhere" in told.message
    lock.write_text("--only-binary source\n" + entry("source", "1.0", source))
    assert "its source is not to be used by the lock's --only-binary" in refusal(tmp_path, lock).message


def test_the_lock_has_to_have_what_the_wheel_asks_for(index: Any, tree: Path) -> None:
    """A dependency in setup.py alone, another version, an extra's, a dependency's own: each named before anything is sent."""
    flask = index.wheel("flask", "3.0", requires=("jinja2>=3", "asgiref>=3; extra == 'async'", "colorama; sys_platform == 'win32'"))
    jinja = index.wheel("jinja2", "2.0")
    setup = tree / "setup.py"
    asks = '"flask[async]>=3", "nowhere>=1", "olds<1; python_version < \'3\'",'
    setup.write_text(
        "from setuptools import find_packages, setup\n"
        f"setup(name='raab', version='1', package_dir={{'': 'src'}}, packages=find_packages('src'), install_requires=[{asks}])\n"
    )
    (tree / "requirements.lock").write_text(entry("flask", "3.0", flask) + entry("jinja2", "2.0", jinja))
    with pytest.raises(RaabError) as raised:
        supplies.compare("requirements.lock", build(tree).wheel, wheels.fetch(tree, tree / "requirements.lock", DEBIAN), DEBIAN)
    assert raised.value.message == (
        "requirements.lock: it lacks what is needed, got raab needs nowhere>=1, and the lock has none; "
        "flask needs jinja2>=3, and the lock has 2.0; flask needs asgiref>=3, and the lock has none"
    )
    assert raised.value.exit_code == 2
    setup.write_text(setup.read_text().replace(asks, '"flask>=3",'))
    (tree / "requirements.lock").write_text(entry("flask", "3.0", flask) + entry("jinja2", "3.1", index.wheel("jinja2", "3.1")))
    supplies.compare("requirements.lock", build(tree).wheel, wheels.fetch(tree, tree / "requirements.lock", DEBIAN), DEBIAN)


def test_a_python_that_the_wheel_does_not_run_on(index: Any, tree: Path) -> None:
    (tree / "setup.py").write_text(
        "from setuptools import find_packages, setup\n"
        "setup(name='raab', version='1', package_dir={'': 'src'}, packages=find_packages('src'), python_requires='>=3.12')\n"
    )
    with pytest.raises(RaabError, match=r"raab needs Python >=3\.12, and the host has 3\.11\.2"):
        supplies.compare("requirements.lock", build(tree).wheel, wheels.Fetched(()), DEBIAN)


def test_what_lies_in_the_cache_is_compared_with_its_hash_each_time(tmp_path: Path) -> None:
    """A byte changed in place, the size the same; and an index that was written anew with it, which the lock does not allow."""
    wheel = tmp_path / "x-1-py3-none-any.whl"
    wheel.write_bytes(b"whole")
    good = hashlib.sha256(b"whole").hexdigest()

    def index(sha256: str) -> None:
        (tmp_path / "index.json").write_text(json.dumps({"wheels": [[wheel.name, sha256, 5]]}))

    index(good)
    assert wheels.read_index(tmp_path, f"--hash=sha256:{good}") is not None
    wheel.write_bytes(b"whole"[::-1])
    assert wheels.read_index(tmp_path, f"--hash=sha256:{good}") is None
    index(hashlib.sha256(b"whole"[::-1]).hexdigest())
    assert wheels.read_index(tmp_path, f"--hash=sha256:{good}") is None
