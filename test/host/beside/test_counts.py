"""How many of a process run: as its release says, or as somebody has asked for since."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.beside import counts
from raab.host.beside.counts import Asked
from raab.host.paths import Paths
from raab.protocol.processes import Process, Table

TABLE = Table((Process("worker", "w", 2), Process("beat", "b")))


def wanted(table: Table, **asked: Asked) -> dict[str, int]:
    return {one.process.name: one.instances for one in counts.wanted(table, asked)}


def test_what_was_asked_for_counts_until_the_release_says_another_number() -> None:
    assert wanted(TABLE) == {"worker": 2, "beat": 1}
    assert wanted(TABLE, worker=Asked(4, 2), gone=Asked(9, 1)) == {"worker": 4, "beat": 1}
    changed = Table((Process("worker", "w", 3),))
    assert wanted(changed, worker=Asked(4, 2)) == {"worker": 3}


@pytest.mark.parametrize(
    ("text", "told"),
    [("worker=4", ("worker", 2, 4)), ("worker=+1", ("worker", 2, 3)), ("beat=-1", ("beat", 1, 0)), ("worker=0", ("worker", 2, 0))],
)
def test_a_number_is_given_by_itself_or_by_a_difference(text: str, told: tuple[str, int, int]) -> None:
    assert counts.parse(text, TABLE, {}) == told


@pytest.mark.parametrize(
    "text", ["web=1", "worker=", "worker=x", "worker=-3", "worker=101", "=1", "worker=1;reboot", "Worker=1", "worker=٣"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(RaabError) as refused:
        counts.parse(text, TABLE, {})
    assert refused.value.exit_code == 2


def test_it_lasts_in_a_file_and_a_broken_one_counts_as_nothing(tmp_path: Path) -> None:
    paths = Paths("shop", opt=tmp_path)
    paths.root.mkdir()
    assert counts.load(paths) == {}
    counts.save(paths, {"worker": Asked(4, 2)})
    assert counts.load(paths) == {"worker": Asked(4, 2)}
    for text in ("", "[]", '{"worker": 4}', '{"worker": {"instances": "x", "configured": 1}}', "\0"):
        paths.counts.write_text(text)
        assert counts.load(paths) == {}
