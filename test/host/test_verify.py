from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host import seal
from raab.host.verify import RAABS_OWN, record_digest, verify


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release with one file of the bundle and one of the app."""
    home = tmp_path / "20261122T061500Z-1a2b3c4"
    site = home / "venv/lib/python3.11/site-packages"
    (site / "raab-1.dist-info").mkdir(parents=True)
    (home / "wsgi.py").write_bytes(b"x")
    (site / "raab.py").write_bytes(b"y")
    (site / "raab-1.dist-info/RECORD").write_text(f"raab.py,sha256={record_digest(b'y')},1\nraab-1.dist-info/RECORD,,\n")
    parts = [{"name": "wsgi.py", "sha256": hashlib.sha256(b"x").hexdigest()}, {"name": "raab-1.whl", "sha256": "0"}]
    (home / "manifest.json").write_text(json.dumps({"id": home.name, "parts": parts}))
    seal.write(home, seal.make(home, {}, RAABS_OWN))
    return home


def test_an_untouched_release_is_as_its_manifest_says(release: Path) -> None:
    verify(release)


@pytest.mark.parametrize("name", ["wsgi.py", "venv/lib/python3.11/site-packages/raab.py"])
def test_a_changed_or_missing_file_is_named(release: Path, name: str) -> None:
    (release / name).write_bytes(b"z")
    with pytest.raises(RaabError, match=f"is not as it was installed, got: .*{name} was changed"):
        verify(release)
    (release / name).unlink()
    with pytest.raises(RaabError, match=f"{name} is lost"):
        verify(release)


def test_a_manifest_of_another_release(release: Path) -> None:
    release.rename(release.with_name("20261122T061500Z-7777777"))
    with pytest.raises(RaabError, match="is of another release"):
        verify(release.with_name("20261122T061500Z-7777777"))


def test_the_bundle_s_own_files_are_read(release: Path) -> None:
    """A seal that was written anew does not make them what the manifest says."""
    (release / "wsgi.py").write_bytes(b"z")
    seal.write(release, seal.make(release, {}, RAABS_OWN))
    with pytest.raises(RaabError, match=r"wsgi\.py is not what the release's manifest says"):
        verify(release)
