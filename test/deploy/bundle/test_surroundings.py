"""What the variables and secrets of a project and its environment come to in a release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raab import variable
from raab.deploy.bundle import build as bundle
from raab.deploy.bundle import surroundings
from raab.host.units import sandbox
from raab.settings.given import Env, Given
from raab.settings.yamlfile import parse_yaml

CONFIG = "env: {LEVEL: info, RATE: '50%'}\nsecrets: [KEY]\n"


def configured(tree: Path, text: str) -> Path:
    file = tree / "deploy/config.yaml"
    file.write_text(file.read_text() + text)
    return tree


def texts(made: Any) -> dict[str, str]:
    return {part.name: part.path.read_text() for part in made.parts if not part.name.endswith((".whl", ".zip"))}


def test_a_release_has_its_variables_in_its_unit(tree: Path) -> None:
    made = bundle.build(configured(tree, CONFIG))
    unit = texts(made)["systemd/raab.service"]
    assert sandbox.assignments(unit.splitlines()) == ['Environment="LEVEL=info"', 'Environment="RATE=50%%"']
    assert (made.secrets, json.loads(made.manifest)["secrets"]) == (("KEY",), ["KEY"])
    assert surroundings.FILE not in texts(made)


def test_what_an_environment_adds_is_another_release(tree: Path) -> None:
    """Of the same commit, and of the same tree; what it does not add is none."""
    configured(tree, CONFIG)
    bare = bundle.build(tree)
    more = bundle.build(tree, added=Given({"LEVEL": "debug", "KEY": "of the lab"}, ("RATE",)), environment="staging")
    assert bundle.build(tree, environment="staging") == bare
    assert (more.commit, more.secrets) == (bare.commit, ("RATE",)) and more.id != bare.id
    assert sandbox.assignments(texts(more)["systemd/raab.service"].splitlines()) == [
        'Environment="KEY=of the lab"',
        'Environment="LEVEL=debug"',
    ]
    told = parse_yaml(texts(more)[surroundings.FILE], "")
    assert isinstance(told.value, dict)
    problems: list[Any] = []
    assert Env.from_node(told.value["env"], problems) == Env({"KEY": "of the lab", "LEVEL": "debug", "RATE": None}) and not problems
    assert [one.value for one in told.value["secrets"].value] == ["RATE"]


VALUES = st.text(st.characters(codec="utf-8"), max_size=40).filter(lambda value: not variable.wrong_value(value))


@given(VALUES)
def test_what_people_are_told_is_the_value_itself(value: str) -> None:
    text = surroundings.document(Given(), Given({"A": value}), "x")
    told = parse_yaml(text, "")
    assert isinstance(told.value, dict) and Env.from_node(told.value["env"], []) == Env({"A": value})


@given(VALUES)
def test_a_line_of_the_unit_is_one_line(value: str) -> None:
    """Whatever the value holds, nothing of it is a directive of its own."""
    lines = surroundings.unit_lines(Given({"A": value}))
    assert len(sandbox.assignments(lines.splitlines())) == 1
