from __future__ import annotations

from pathlib import Path
from typing import Any

from raab.host import journal


def entry(release: str, verdict: str, action: str = "deploy") -> dict[str, Any]:
    return {"release": release, "verdict": verdict, "action": action}


def test_a_line_that_a_crash_cut_short_is_passed_over_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    """What was written before and after stays readable."""
    file = tmp_path / "journal.jsonl"
    journal.append(file, entry("a", "serving"))
    with file.open("a") as half:
        half.write('{"release": "b", "verd')
    journal.append(file, entry("c", "begun"))
    assert [one["release"] for one in journal.read(file)] == ["a", "c"]


def test_a_missing_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "none") == ()


def test_the_last_word_on_a_release_counts() -> None:
    """A release that served and failed later is failed; one that failed first and serves now serves."""
    entries = (entry("a", "serving"), entry("a", "failed"), entry("b", "failed"), entry("b", "serving"), entry("c", "begun"))
    assert journal.verdicts(entries) == {"a": "failed", "b": "serving", "c": "begun"}
    assert journal.served(entries) == ("b",)


def test_going_back_does_not_make_a_release_newer() -> None:
    """So that a second rollback goes further back; deploying an old release again does make it the newest."""
    entries = (entry("a", "serving"), entry("b", "serving"), entry("a", "serving", "rollback"))
    assert journal.served(entries) == ("a", "b")
    assert journal.served((*entries, entry("a", "serving"))) == ("b", "a")


def test_a_release_that_only_begun_did_not_serve() -> None:
    """An activation cut off by a power loss proves nothing."""
    assert journal.served((entry("a", "begun"),)) == ()
