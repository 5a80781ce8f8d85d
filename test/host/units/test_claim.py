"""Whose a service's name is on a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.host.units import claim


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Below a folder of the test's own, with a name that no user of this machine has."""
    monkeypatch.setattr(claim, "PLACES", (tmp_path / "usr/lib/systemd/system",))
    return Paths("shop-of-nobody", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "usr/local/bin", tmp_path / "var/lib")


def test_a_free_name_is_marked_and_stays_raab_s(paths: Paths) -> None:
    """With what an operator has prepared: settings, credentials, variables, drop-ins for the unit to come."""
    (paths.configuration / "credentials").mkdir(parents=True)
    (paths.configuration / "setting.yaml").touch()
    (paths.configuration / "environment").touch()
    (paths.units / f"{paths.unit}.d").mkdir(parents=True)
    assert claim.foreign(paths) == []
    claim.take(paths)
    (paths.units / paths.unit).touch()
    paths.releases.mkdir(parents=True)
    assert claim.foreign(paths) == []
    claim.take(paths)


@pytest.mark.parametrize(
    "place",
    [
        "etc/systemd/system/{}.service",
        "usr/lib/systemd/system/{}.socket",
        "opt/{}/bin",
        "var/lib/{}/data",
        "run/{}/pid",
        "etc/{}/nginx.conf",
    ],
)  # fmt: skip
def test_what_somebody_else_has_made_is_refused_before_anything_is_written(paths: Paths, tmp_path: Path, place: str) -> None:
    there = tmp_path / place.format(paths.name)
    there.parent.mkdir(parents=True)
    there.touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RaabError, match=r"not raab's, got .*/") as caught:
        claim.take(paths)
    assert caught.value.exit_code == 5 and "name:" in caught.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_a_user_of_that_name_is_somebody_else(paths: Paths) -> None:
    assert claim.foreign(paths._replace(name="nobody")) == ["the user nobody"]


def test_a_release_of_before_there_were_marks_is_one(paths: Paths) -> None:
    manifest = paths.manifest("20261122T061500Z-1a2b3c4")
    manifest.parent.mkdir(parents=True)
    (paths.units / paths.unit).parent.mkdir(parents=True)
    (paths.units / paths.unit).touch()
    assert claim.foreign(paths) != []
    manifest.touch()
    assert claim.foreign(paths) == []
