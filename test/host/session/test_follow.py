"""An activation is followed by its token, and by nothing else."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from raab.host.paths import Paths
from raab.host.session import follow
from raab.protocol.answers import Verdict


def test_the_verdict_of_another_activation_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fab unlock --force` ends one and has another lead back: who deploys is not told that all is well."""
    monkeypatch.setattr(follow, "SETTLING_SECONDS", 0.0)
    paths = Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run")
    paths.deploying.mkdir(parents=True)
    paths.request.write_text(json.dumps({"token": "mine", "release": "new"}))
    paths.events.write_text("")

    def another() -> None:
        paths.events.unlink()
        paths.request.write_text(json.dumps({"token": "another", "release": "old"}))
        paths.events.write_text(json.dumps({"event": "verdict", "ok": True}) + "\n")

    threading.Timer(0.2, another).start()
    told = follow.follow(paths, lambda event: None, "mine").verdict
    assert (told.ok, told.started, told.asked, told.serves) == (False, True, True, None)
    assert "another one came in its place" in told.reason


def test_an_event_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    """A disk was full, and then was not any more."""
    paths = Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run")
    paths.deploying.mkdir(parents=True)
    paths.events.write_bytes(b'{"event": "st\n{"event": "verdict", "ok": true, "more": 1}\n{"eve')
    assert follow.events(paths) == [Verdict(ok=True)]
