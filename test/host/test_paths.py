from __future__ import annotations

import pytest

from raab.host.paths import RELEASE_ID, Paths, template_name


@pytest.mark.parametrize("name", ["20261122T061500Z-1a2b3c4", "20261122T061500Z-1a2b3c4-dirty"])
def test_release_ids(name: str) -> None:
    assert Paths().release(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "current",
        "../20261122T061500Z-1a2b3c4",
        "20261122T061500Z-1a2b3c4/..",
        "20261122T061500Z-1A2B3C4",
        "20261122T061500Z-1a2b3c4\n",
    ],
)
def test_what_is_no_release_id_becomes_no_path(name: str) -> None:
    assert not RELEASE_ID.match(name)
    with pytest.raises(ValueError, match="not a release id"):
        Paths().release(name)


def test_a_template_belongs_to_one_lock_and_one_interpreter() -> None:
    """By all digits of its hash."""
    assert template_name("3b1f00d2a7c4" + "0" * 52, "3.11.2", "x86_64") == f"3b1f00d2a7c4{'0' * 52}-cp311-x86_64"
