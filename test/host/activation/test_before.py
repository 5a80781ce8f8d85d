from __future__ import annotations

from pathlib import Path

import pytest

from raab.host.activation import before, switch
from raab.host.paths import Paths

ONE, TWO = "20261122T061500Z-1a2b3c4", "20261122T061600Z-1a2b3c5"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Two complete releases, the first of them current."""
    made = Paths("raab", opt=tmp_path)
    for release in (ONE, TWO):
        made.release(release).mkdir(parents=True)
        made.manifest(release).write_text("{}")
    switch.switch(made, ONE)
    return made


def test_the_running_service_is_believed_before_the_link(paths: Paths) -> None:
    """Somebody may have moved it, and told nobody."""
    assert before.look(paths, {}, active=False, enabled=True).release == ONE
    assert before.look(paths, {"release": TWO, "generation": 3}, active=True, enabled=True).release == TWO
    paths.current.unlink()
    found = before.look(paths, {"release": TWO}, active=True, enabled=True)
    assert (found.release, found.link) == (TWO, None)


@pytest.mark.parametrize("told", ["development", "../../etc", "20200101T000000Z-0000000", 7, None])
def test_what_is_no_complete_release_of_this_host_is_none(paths: Paths, told: object) -> None:
    found = before.look(paths, {"release": told}, active=True, enabled=True)
    assert (found.release, found.link) == (None, f"releases/{ONE}")


def test_a_link_to_a_folder_of_that_name_elsewhere_is_an_operators_own(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / ONE).mkdir()
    paths.current.unlink()
    paths.current.symlink_to(tmp_path / ONE)
    found = before.look(paths, {}, active=True, enabled=True)
    assert (found.release, found.link) == (None, str(tmp_path / ONE))


def test_an_interrupted_release_is_none_to_go_back_to(paths: Paths) -> None:
    paths.manifest(ONE).unlink()
    assert before.look(paths, {}, active=True, enabled=True).release is None


def test_it_serves_still_if_no_other_generation_has_taken_over(paths: Paths) -> None:
    found = before.look(paths, {"release": "development", "generation": 3}, active=True, enabled=True)
    assert found.serves_still({"generation": 3})
    assert not found.serves_still({"generation": 4})
    assert not found.serves_still({})
    assert not before.look(paths, {}, active=True, enabled=True).serves_still({})


@pytest.mark.parametrize("link", [None, f"releases/{ONE}", "/srv/elsewhere"])
def test_the_link_is_put_back_as_it_was(paths: Paths, link: str | None) -> None:
    switch.restore(paths, link)
    assert (str(paths.current.readlink()) if paths.current.is_symlink() else None) == link
