"""Variables and secrets as a project and its environments write them."""

from __future__ import annotations

from typing import Any

import pytest

from raab.settings.given import Env, Given
from raab.settings.node import ConfigError, Problem
from raab.settings.yamlfile import parse_yaml


def env(text: str) -> Env:
    problems: list[Problem] = []
    found = Env.from_node(parse_yaml(text, "file"), problems)
    if problems:
        raise ConfigError(tuple(problems))
    assert found is not None
    return found


def test_texts_and_whole_numbers_are_carried_as_they_are_written() -> None:
    text = 'PORT: 8000\nBELOW: -1\nCODE: 010\nTIME: 12:30\nPLUS: +491\nWORD: no\nQUOTED: "true"\nLINES: |\n  a\n  b\nGONE:\nNONE: ""\n'
    assert env(text).values == {
        "PORT": "8000", "BELOW": "-1", "CODE": "010", "TIME": "12:30", "PLUS": "+491", "WORD": "no", "QUOTED": "true", "LINES": "a\nb\n",
        "GONE": None, "NONE": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[A]", "needs `NAME: value` lines"),
        ("A: true", "put it in quotes"),
        ("A: 1.50", "put it in quotes"),
        ("A: [x]", "one text or whole number"),
        ("A: {b: c}", "one text or whole number"),
        ("RAAB_LAB: x", "raab's own"),
        ("NOTIFY_SOCKET: x", "set by systemd"),
        ("A-B: x", "a variable's name"),
        ('A: "s3cr3t\\e"', "U+001B"),
    ],
)
def test_what_cannot_be_carried_is_said_without_its_value(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        env(text)
    assert said in str(caught.value) and "s3cr3t" not in str(caught.value)


PROJECT = Given({"A": "1", "B": "2", "URL": "sqlite://"}, ("KEY", "TOKEN"))


@pytest.mark.parametrize(
    ("added", "variables", "secrets"),
    [
        (Given(), {"A": "1", "B": "2", "URL": "sqlite://"}, ("KEY", "TOKEN")),
        (Given({"B": "3", "C": "4"}), {"A": "1", "B": "3", "C": "4", "URL": "sqlite://"}, ("KEY", "TOKEN")),
        (Given({"A": None}), {"B": "2", "URL": "sqlite://"}, ("KEY", "TOKEN")),
        (Given({}, ("URL",)), {"A": "1", "B": "2"}, ("KEY", "TOKEN", "URL")),
        (Given({"KEY": "of the lab"}), {"A": "1", "B": "2", "KEY": "of the lab", "URL": "sqlite://"}, ("TOKEN",)),
        (Given({"KEY": None}), {"A": "1", "B": "2", "URL": "sqlite://"}, ("TOKEN",)),
    ],
)
def test_the_environments_word_counts_name_by_name(added: Given, variables: dict[str, Any], secrets: tuple[str, ...]) -> None:
    """As a value or as a secret, whichever the project has it as."""
    both = added.over(PROJECT)
    assert (both.env, both.secrets) == (variables, secrets)
    assert not list(both.problems())


def test_one_file_says_of_a_name_one_thing() -> None:
    assert [field for field, _ in Given({"A": "1"}, ("A",)).problems()] == ["secrets"]
