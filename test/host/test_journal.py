from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raab.host import journal


def entry(release: str, verdict: str = "serving", action: str = "deploy", **more: Any) -> dict[str, Any]:
    return {"release": release, "verdict": verdict, "action": action, **more}


def back(release: str, left: str, action: str = "rollback") -> dict[str, Any]:
    return entry(release, action=action, **{"from": left})


def test_a_line_that_a_crash_cut_short_is_passed_over_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    """What was written before and after stays readable."""
    file = tmp_path / "journal.jsonl"
    journal.append(file, entry("a", "serving"))
    with file.open("a") as half:
        half.write('{"release": "b", "verd')
    journal.append(file, entry("c", "begun"))
    assert [one["release"] for one in journal.read(file)] == ["a", "c"]


@pytest.mark.parametrize(
    "line",
    [b"", b"\x00" * 30, b"\xff\xfe", b"[" * 100_000, b"[1]", b"7", b'{"release": 7}', b'{"time": "x"}', b'{"time": NaN}',
     b'{"time": 1e999}',
     b'{"time": -1}', b'{"time": 1e300}', b'{"seconds": true}', b'{"from": []}', b'{"drill": "yes"}', b'{"who": "\\ud800"}',
     b'{"what": NaN}', b'{"verdict": null}'],
)  # fmt: skip
def test_a_line_that_is_none_is_passed_over(tmp_path: Path, line: bytes) -> None:
    """Whatever an editor or a disk has made of it: what is told of the others is what a deployer can read."""
    file = tmp_path / "journal.jsonl"
    journal.append(file, entry("a", time=1.0, seconds=0.5))
    with file.open("ab") as broken:
        broken.write(line + b"\n")
    journal.append(file, entry("b", unknown={"x": [None, 1]}))
    assert [one["release"] for one in journal.read(file)] == ["a", "b"]


def test_a_missing_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "none") == ()


def test_the_last_word_on_a_release_counts() -> None:
    """A release that served and failed later is failed; one that failed first and serves now serves."""
    entries = (entry("a"), entry("a", "failed"), entry("b", "failed"), entry("b"), entry("c", "begun"))
    assert journal.verdicts(entries) == {"a": "failed", "b": "serving", "c": "begun"}
    assert journal.chain(entries) == ("b",)
    assert journal.once(entries) == ("a", "b")


def test_going_back_goes_further_back_each_time() -> None:
    """And not forth again: what was gone back from is out of the chain until it is deployed anew."""
    entries = [entry("a"), entry("b"), entry("c"), back("b", "c")]
    assert journal.chain(tuple(entries)) == ("a", "b")
    entries.append(back("a", "b"))
    assert journal.chain(tuple(entries)) == ("a",)
    entries.append(entry("c"))
    assert journal.chain(tuple(entries)) == ("a", "c")
    assert journal.once(tuple(entries)) == ("a", "b", "c")


def test_deploying_an_old_release_makes_it_the_newest() -> None:
    assert journal.chain((entry("a"), entry("b"), entry("a"))) == ("b", "a")


def test_a_named_release_that_was_gone_back_from_joins_the_chain_again() -> None:
    """In the place of the one that is gone back from this time."""
    assert journal.chain((entry("a"), entry("b"), entry("c"), back("b", "c"), back("c", "b"))) == ("a", "c")


def test_a_condemned_release_is_no_part_of_it() -> None:
    """Taken back with its wave, or failed at another try."""
    assert journal.chain((entry("a"), entry("b"), back("a", "b", "revert"), entry("b", "failed", "revert"))) == ("a",)
    assert journal.chain((entry("a"), entry("b"), entry("a", "failed", "rollback"))) == ("b",)


def test_a_drill_counts_for_nothing() -> None:
    """Neither what it makes nor what it goes back to or sees fail."""
    entries = (entry("a"), entry("b"), entry("x", drill=True), entry("y", drill=True), entry("x", action="rollback", drill=True),
               entry("b", "failed", drill=True), entry("a", drill=True))  # fmt: skip
    assert journal.chain(entries) == ("a", "b")
    assert journal.drilled(entries) == {"x", "y"}
    assert journal.worth_keeping(entries[:5]) == ("a", "b")


def test_what_is_likeliest_gone_back_to_is_kept_longest() -> None:
    """The chain before those that were gone back from, however late they came."""
    entries = (entry("a"), entry("b"), *(one for name in "cde" for one in (entry(name), back("b", name))))
    assert journal.worth_keeping(entries) == ("c", "d", "e", "a", "b")


def test_a_release_that_only_begun_did_not_serve() -> None:
    """An activation cut off by a power loss proves nothing."""
    assert journal.chain((entry("a", "begun"),)) == journal.once((entry("a", "begun"),)) == ()


def test_what_an_operator_has_linked_served_too() -> None:
    """What an activation found serving is the witness of it."""
    assert journal.chain((entry("a"), entry("b"), entry("c", **{"from": "a"}))) == ("b", "a", "c")
    assert journal.chain((entry("c", **{"from": "x"}),)) == journal.once((entry("c", **{"from": "x"}),)) == ("x", "c")
    assert journal.once((entry("a"), entry("d", "begun", drill=True, **{"from": "x"}), entry("d", drill=True, **{"from": "x"}))) == (
        "a",
        "x",
        "d",
    )
    assert journal.chain((entry("a"), entry("d", drill=True, **{"from": "x"}), entry("x", drill=True, **{"from": "d"}))) == ("a", "x")


def test_what_was_never_proved_or_is_a_drills_did_not_serve() -> None:
    """Whatever an activation found there: it was cut off or failed, or the drill was."""
    assert journal.chain((entry("a"), entry("b", "begun", **{"from": "a"}), entry("c", **{"from": "b"}))) == ("a", "c")
    assert journal.chain((entry("a"), entry("b", "failed", **{"from": "a"}), entry("c", **{"from": "b"}))) == ("a", "c")
    assert journal.chain((entry("a"), entry("d", drill=True, **{"from": "a"}), entry("c", **{"from": "d"}))) == ("a", "c")


def test_a_label_says_which_commit_it_is_and_is_no_verdict() -> None:
    entries = (entry("a"), journal.label("a", "c" * 40, "ann", "laptop", 1.0))
    assert journal.labels(entries) == {"a": "c" * 40}
    assert journal.verdicts(entries) == {"a": "serving"}
    assert journal.chain(entries) == ("a",)


def test_what_was_undone_may_be_gone_back_to() -> None:
    """A disk was full, or a colleague stopped the service: nothing was said against the release."""
    entries = (entry("a"), entry("b"), entry("a", "undone", "rollback", **{"from": "b"}))
    assert journal.chain(entries) == ("a", "b") and journal.verdicts(entries)["a"] == "undone"
    assert journal.chain((*entries, entry("c", "undone", **{"from": "b"}))) == ("a", "b")
