"""deploy/requirements.lock, of the project's own lock and what raab needs; uv is asked for nothing here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import uv
from packaging.requirements import Requirement

from raab.deploy.bundle import lockfile
from raab.deploy.bundle.lockfile import Locked
from raab.errors import RaabError
from raab.project import lock, runtime
from raab.project.choice import LOCK
from raab.project.poetry import spelt
from raab.project.wanted import find

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
# Made by the tools themselves, of a project that wants two packages, and a third for its development: from an index, and from elsewhere.
MADE = Path(__file__).parent / "locks"
LOCKS = ("uv", "pipenv", "pylock", "poetry")
CLICK = (
    "sha256:ae74fb96c20a0277a1d615f1e4d73c8414f5a98db8b799a7931d1582f3390c28",
    "sha256:ca9853ad459e787e2192211578cc907e7594e294c7ccc834310722b41b9ca6de",
)


@pytest.mark.parametrize("tool", LOCKS)
def test_what_a_lock_says_is_what_it_pins(tool: str) -> None:
    """Versions, markers and hashes; what only development needs is none of it."""
    wanted = find(MADE / tool / "index")
    locked = {one.name: one for one in (*wanted.pins, *wanted.within)}
    assert (locked["click"].version, sorted(locked["click"].hashes)) == ("8.1.7", sorted(CLICK))
    assert (locked["itsdangerous"].version, len(locked["itsdangerous"].hashes)) == ("2.2.0", 2)
    # Pipenv leaves out what this machine needs not.
    assert tool == "pipenv" or re.search("== .(win32|Windows)", locked["colorama"].marker)
    assert "iniconfig" not in {one.name for one in wanted.pins}
    # Those that are resolved within the lock's bounds.
    assert wanted.loose == (("click", "itsdangerous ; (sys_platform != 'win32')") if tool == "poetry" else ())


@pytest.mark.parametrize("tool", LOCKS)
def test_what_no_hash_can_vouch_for_is_refused(tool: str) -> None:
    """A repository or a folder, of which a host could get anything."""
    with pytest.raises(RaabError) as raised:
        find(MADE / tool / "elsewhere")
    assert re.search(r"lock.*: .*(glib|\.\./lib)", raised.value.message) and raised.value.message.count("\n") == 0
    assert "a wheel at an address: name @ https://..." in raised.value.hint


def test_a_wheel_at_an_address_is_pinned_by_its_hash(tmp_path: Path) -> None:
    """Whatever version the lock has for it."""
    for name in ("pylock/elsewhere/pylock.toml", "pipenv/elsewhere/Pipfile.lock"):
        root = tmp_path / Path(name).parts[0]
        root.mkdir()
        text = (MADE / name).read_text()
        if name.endswith(".toml"):
            text = "[[packages]]".join(one for one in text.split("[[packages]]") if "vcs =" not in one and "directory =" not in one)
        else:
            told = json.loads(text)
            text = json.dumps({**told, "default": {"iniconfig": told["default"]["iniconfig"]}})
        (root / Path(name).name).write_text(text)
        (one,) = find(root).pins
        assert (one.name, one.version, one.url.rpartition("/")[2]) == ("iniconfig", "", "iniconfig-2.0.0-py3-none-any.whl")
        assert "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374" in one.hashes


@pytest.mark.parametrize(("name", "text"), [
    ("poetry.lock", "[[package]]\nname = 3\n"), ("Pipfile.lock", "{}"), ("Pipfile.lock", "[1"), ("pylock.toml", "packages = 1\n"),
])  # fmt: skip
def test_a_lock_that_is_none_is_said(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RaabError, match=f"{name}: cannot be read, got"):
        find(tmp_path)


@pytest.mark.parametrize(("value", "wanted"), [
    ("^3", "flask"),
    ({"version": "^3", "extras": ["async"]}, "flask[async]"),
    ({"version": "^3", "markers": "os_name == 'posix'"}, "flask ; (os_name == 'posix')"),
    ({"version": "^3", "platform": "win32"}, "flask ; (sys_platform == 'win32')"),
    (
        {"markers": "os_name == 'b' or os_name == 'd'", "platform": "darwin"},
        "flask ; (os_name == 'b' or os_name == 'd') and (sys_platform == 'darwin')",
    ),
    ({"extras": ["async", "dotenv"], "markers": "os_name == 'posix'"}, "flask[async,dotenv] ; (os_name == 'posix')"),
    ({"version": "^3", "python": "*"}, "flask"),
    ({"python": ">=3.10, <3.13"}, "flask ; (python_version >= '3.10' and python_version < '3.13')"),
    ({"python": "^3.11"}, "flask ; (python_version >= '3.11' and python_version < '4.0')"),
    ({"python": "~3.11"}, "flask ; (python_version >= '3.11' and python_version < '3.12')"),
    ({"python": "~=3.11.2"}, "flask ; (python_full_version >= '3.11.2' and python_version < '3.12')"),
    ({"python": "3.11.*"}, "flask ; (python_version >= '3.11' and python_version < '3.12')"),
    ({"python": "!=3.11.*"}, "flask ; ((python_version < '3.11' or python_version >= '3.12'))"),
    ({"python": "<3.11.4"}, "flask ; (python_full_version < '3.11.4')"),
    ({"python": "3.10 || >= 3.12"}, "flask ; (python_version == '3.10' or python_version >= '3.12')"),
    (
        {"python": "<3.11", "platform": "linux"},
        "flask ; (sys_platform == 'linux') and (python_version < '3.11')",
    ),
    (
        [{"version": "<3", "python": "<3.11"}, {"version": "^3", "python": ">=3.12"}],
        "flask ; ((python_version < '3.11')) or ((python_version >= '3.12'))",
    ),
    ([{"version": "<3", "python": "<3.11"}, {"version": "^3", "extras": ["async"]}], "flask[async]"),
])  # fmt: skip
def test_a_dependency_of_poetrys_keeps_its_extras_and_its_marker(value: object, wanted: str) -> None:
    assert spelt("flask", value) == wanted
    Requirement(spelt("flask", value))


def test_pythons_that_cannot_be_read_are_said() -> None:
    with pytest.raises(RaabError, match=r"pyproject\.toml: the Pythons of flask cannot be read, got '>=3\.10,<four'"):
        spelt("flask", {"python": ">=3.10,<four"})


def test_poetrys_versions_are_bounds_for_what_the_project_says(tmp_path: Path) -> None:
    lines = ('python = "^3.10"', 'flask = {version = "^3", extras = ["async"]}', 'extra = {version = "*", optional = true}')
    (tmp_path / "pyproject.toml").write_text("\n".join(("[tool.poetry.dependencies]", *lines)))
    (tmp_path / "poetry.lock").write_text(f'[[package]]\nname = "flask"\nversion = "3.0.3"\nfiles = [{{file = "f.whl", hash = "{A}"}}]\n')
    wanted = find(tmp_path)
    assert (wanted.loose, wanted.within) == (("flask[async]",), (Locked("flask", "3.0.3", "", "", (A,)),))


def test_the_lock_before_what_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask>=2\n")
    assert (find(tmp_path).file, find(tmp_path).loose) == ("requirements.txt", ("flask>=2",))
    (tmp_path / "pylock.toml").write_bytes((MADE / "pylock/index/pylock.toml").read_bytes())
    assert find(tmp_path).file == "pylock.toml"


@pytest.mark.parametrize("line", ["-e .[server, db]", ".[db,Server]", "--editable=.[server,db]"])
def test_extras_of_the_projects_own(line: str, tmp_path: Path) -> None:
    """A requirements.txt may want the project itself, as its developer installs it."""
    extras = '[project.optional-dependencies]\nserver = ["django>=5"]\ndb = ["psycopg"]\ndev = ["pytest"]\n'
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "shop"\ndependencies = ["cliff"]\n{extras}')
    (tmp_path / "requirements.txt").write_text(f"{line}\nwhitenoise\n")
    assert sorted(find(tmp_path).loose) == ["cliff", "django>=5", "psycopg", "whitenoise"]
    (tmp_path / "requirements.txt").write_text("-e .[servers]\n")
    with pytest.raises(RaabError, match=r"requirements\.txt: the project has no such extra .*got servers\nhint: it has server, db, dev"):
        find(tmp_path)


def test_a_conflict_names_both_sides(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"gevent==21.12.0 --hash={A}\n")
    with pytest.raises(RaabError) as raised:
        lock.make(tmp_path)
    need = next(line for line in runtime.needs() if line.startswith("gevent"))
    (specifier,) = need.split("gevent", 1)[1:]
    said = f"requirements.txt: gevent 21.12.0 there, and raab {runtime.version()} needs gevent{specifier}"
    assert raised.value.message == said
    assert not (tmp_path / LOCK).exists()


def test_nothing_that_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(RaabError, match="nothing says what the project depends on"):
        find(tmp_path)


def made(root: Path) -> None:
    """As uv would resolve it: of another build than the project's own lock has, and with what raab needs."""
    resolved = [Locked("flask", "3.0.3", "", "", (B,)), Locked("gevent", "26.9.0", "", "", (B,))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "resolve", lambda root, wanted: tuple(resolved))
        lock.make(root)


def test_the_projects_lock_decides_and_a_stale_one_says_the_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hashes, too. What has changed since, in the project or in raab, is named."""
    (tmp_path / "requirements.txt").write_text(f"flask==3.0.3 --hash={A}\n")
    made(tmp_path)
    there = lockfile.read(tmp_path / LOCK)
    assert [(one.name, one.version, one.hashes) for one in there.locked] == [("flask", "3.0.3", (A,)), ("gevent", "26.9.0", (B,))]
    assert lock.stale(tmp_path) == ""
    (tmp_path / "requirements.txt").write_text(f"flask==3.1.0 --hash={A}\n")
    assert "flask 3.1.0 and 3.0.3 in deploy/requirements.lock" in lock.stale(tmp_path)
    (tmp_path / "requirements.txt").write_text(f"flask==3.0.3 --hash={A}\n")
    monkeypatch.setattr(runtime, "needs", lambda: ("gevent>=99",))
    assert lock.stale(tmp_path) == "gevent>=99 is not in it"


def test_the_places_of_an_index_stay_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in them may be a secret."""
    monkeypatch.setenv("TOKEN", "hidden")
    (tmp_path / "requirements.txt").write_text(f"--index-url https://${{TOKEN}}@index.example/simple\nflask==3.0.3 --hash={A}\n")
    made(tmp_path)
    text = (tmp_path / LOCK).read_text()
    assert "--index-url https://${TOKEN}@index.example/simple\n" in text and "hidden" not in text


def member(place: Path, name: str, *wanted: str) -> None:
    place.mkdir(parents=True)
    sources = "".join(f"[tool.uv.sources.{one}]\nworkspace = true\n" for one in wanted)
    text = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = {json.dumps(wanted)}\n{sources}'
    (place / "pyproject.toml").write_text(text)


def workspace(root: Path, monkeypatch: pytest.MonkeyPatch, *wanted: str) -> Path:
    """A member, as uv locks it with all the others: nothing of an index is among them."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    (root / "pyproject.toml").write_text(
        '[tool.uv.workspace]\nmembers = ["services/*", "libs/*", "services/shop/inner"]\nexclude = ["libs/old"]\n'
    )
    member(root / "services/shop", "shop", *wanted)
    member(root / "services/shop/inner", "inner")
    member(root / "libs/common", "common")
    subprocess.run((uv.find_uv_bin(), "lock", "--quiet"), cwd=root, check=True, capture_output=True)
    return root / "services/shop"


def test_a_member_of_a_workspace_has_the_lock_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member in the project's own folder travels with it; what is no member has nothing of that lock."""
    project = workspace(tmp_path, monkeypatch, "inner")
    assert (find(project).file, find(project).pins, find(project).loose) == ("../../uv.lock", (), ())
    member(tmp_path / "libs/old", "old")
    assert find(tmp_path / "libs/old").file == "pyproject.toml"


def test_a_member_outside_the_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No release would have it."""
    with pytest.raises(RaabError) as raised:
        find(workspace(tmp_path, monkeypatch, "common"))
    said = "../../uv.lock: the project needs a member of the workspace that lies outside of it, got ./libs/common"
    assert (raised.value.message, raised.value.hint) == (said, "have it from an index, or in the project's folder")
