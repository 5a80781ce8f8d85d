from __future__ import annotations

import json
from pathlib import Path

from raab.host.activation.prune import prune, surplus
from raab.host.paths import Paths, template_name

NAMES = [f"20261122T06150{number}Z-1a2b3c{number}" for number in range(6)]


def make(paths: Paths, name: str, wheel: str = "0" * 64) -> None:
    home = paths.release(name)
    home.mkdir(parents=True)
    (home / "requirements.lock").write_text("flask==3 --hash=sha256:" + "f" * 64)
    told = {"parts": [{"sha256": name[-7:].ljust(64, "0")}], "wheels": [{"sha256": wheel}]}
    (home / "manifest.json").write_text(json.dumps(told))


def test_the_last_served_and_the_protected_stay() -> None:
    """The order is that of the journal: the oldest by name may be the newest that served."""
    served = (NAMES[3], NAMES[1], NAMES[0])
    assert surplus(NAMES, served, frozenset({NAMES[5]}), keep=2) == (NAMES[2], NAMES[3], NAMES[4])


def test_what_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    """Names that are no release ids, however old, and everything beside releases."""
    paths = Paths("raab", opt=tmp_path)
    make(paths, NAMES[0])
    make(paths, NAMES[1])
    (paths.releases / "backup-by-ann").mkdir()
    assert prune(paths, (NAMES[0], NAMES[1]), frozenset(), keep=1) == (NAMES[0],)
    assert sorted(path.name for path in paths.releases.iterdir()) == sorted([NAMES[1], "backup-by-ann"])


def test_the_cache_keeps_what_the_kept_releases_need(tmp_path: Path) -> None:
    """Their parts, the wheels of their locks, their environments, and uv; the rest goes with the removed releases."""
    paths = Paths("raab", opt=tmp_path)
    make(paths, NAMES[0], wheel="a" * 64)
    make(paths, NAMES[1], wheel="b" * 64)
    old, new = (name[-7:].ljust(64, "0") for name in NAMES[:2])
    for sha256, file in ((old, "raab.whl"), (new, "raab.whl"), ("f" * 64, "flask.whl"), ("e" * 64, "gone.whl"), ("d" * 64, "uv-1-py3.whl")):
        (paths.cache / sha256).mkdir(parents=True)
        (paths.cache / sha256 / file).touch()
    for wheel in ("a", "b"):
        (paths.templates / template_name((wheel * 64,), "3.11.2", "x86_64")).mkdir(parents=True)
    paths.tools.mkdir()
    for tool in ("uv-" + "d" * 64, "uv-" + "9" * 64):
        (paths.tools / tool).touch()
    prune(paths, (NAMES[0], NAMES[1]), frozenset(), keep=1)
    assert [path.name for path in paths.tools.iterdir()] == ["uv-" + "d" * 64]
    assert {path.name for path in paths.cache.iterdir()} == {new, "f" * 64, "d" * 64}
    assert [path.name for path in paths.templates.iterdir()] == [template_name(("b" * 64,), "3.11.2", "x86_64")]
