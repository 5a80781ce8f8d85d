"""What is made of other files says what they say today: docs/configuration.md, and what `raab help` prints."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest
from test.docs import reading

from raab.errors import RaabError
from raab.host.command import help as helping
from raab.host.command.operating import SECTIONS
from raab.host.paths import Paths


def test_what_is_made_is_not_older_than_what_it_is_made_of() -> None:
    made = subprocess.run([sys.executable, reading.ROOT / "docs" / "making", "--look"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr


def told(name: str, *topic: str) -> int:
    return helping.run([Paths(name)], argparse.Namespace(topic=list(topic)))


def test_help_prints_a_topic_about_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    assert told("blog", "disk") == 0
    said = capsys.readouterr().out
    assert said.startswith("The disk is full\n") and "du -sh /opt/blog" in said and "shop" not in said


def test_help_lists_its_topics(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the page that have a text."""
    assert told("blog") == 0
    headings = [heading for _, heading in reading.headings((reading.ROOT / "docs/operating.md").read_text(encoding="utf-8"))]
    assert list(SECTIONS) == [one for one in headings if one in SECTIONS] and len(SECTIONS) >= len(headings) - 2
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == list(SECTIONS)


def test_help_of_nothing_is_wrong_input() -> None:
    with pytest.raises(RaabError, match=r"no such topic, got cats") as error:
        told("blog", "cats")
    assert error.value.exit_code == 2
