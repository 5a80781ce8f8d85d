"""Which release a file belongs to."""

from __future__ import annotations

import json
from pathlib import Path

from raab.release import current_release, find_release


def test_a_checkout_is_development() -> None:
    """There is no manifest above it."""
    assert (current_release().id, current_release().commit) == ("development", "development")


def test_the_nearest_manifest_above_names_the_release(tmp_path: Path) -> None:
    """Two releases may lie side by side, and each file knows its own."""
    inside = tmp_path / "venv/lib/site-packages/raab/release.py"
    inside.parent.mkdir(parents=True)
    (tmp_path / "manifest.json").write_text(json.dumps({"id": "20261122T061500Z-1a2b3c4", "version": "1.2", "commit": "c", "more": 1}))
    found = find_release(inside)
    assert (found.id, found.version, found.commit) == ("20261122T061500Z-1a2b3c4", "1.2", "c")


def test_a_manifest_of_something_else_is_passed_by(tmp_path: Path) -> None:
    """A web project's manifest.json, a broken one, a directory of that name."""
    for number, content in enumerate(("{}", "[]", "not json", '{"name": "pwa"}')):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "manifest.json").write_text(content)
        assert find_release(folder / "x.py").id == "development"
    (tmp_path / "dir" / "manifest.json").mkdir(parents=True)
    assert find_release(tmp_path / "dir" / "x.py").id == "development"
