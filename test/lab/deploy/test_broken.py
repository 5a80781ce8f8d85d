"""Releases that cannot serve, deployed to three hosts under load: the first host refuses each, the others never hear of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab import lab as lifecycle
from raab.lab.state import LabHost, named

CARD = "src/raab/modules/home/__init__.py"
SETTING = "src/raab/config/setting.yaml"
SERVER = "gunicorn.py"
LOCK = "requirements.lock"
MODULE = "from flask import Blueprint\nblueprint = Blueprint('home', __name__)\n"
# The trial is a program of raab's own, a worker a child of gunicorn's.
IN_A_WORKER = MODULE + "import sys\nif sys.argv[0].endswith('gunicorn'): "
Broken = tuple[str, str, Callable[[str], str], str]
# What is broken: the file, what it says then, and a word of the reason that the deploy has to give.
BROKEN: tuple[Broken, ...] = (
    ("raises", CARD, lambda text: "raise RuntimeError('no such table')", "no such table"),
    ("is no Python", CARD, lambda text: "def (:", "SyntaxError"),
    ("exits", CARD, lambda text: "import sys\nsys.exit('gone')", "gone"),
    ("dies", CARD, lambda text: "import os\nos._exit(7)", "7"),
    ("is not ready", CARD, lambda text: MODULE + "def ready():\n    return 'no database'\n", "no database|503"),
    ("has settings that are no YAML", SETTING, lambda text: "base: [\n", "setting.yaml"),
    ("has an unknown setting", SETTING, lambda text: text.replace("workers_min:", "wokers_min:"), "wokers_min"),
    ("has a gunicorn.py that raises", SERVER, lambda text: text + "\nraise OSError('bad config')\n", "bad config"),
    ("raises in workers alone", CARD, lambda text: IN_A_WORKER + "raise RuntimeError('no such table')", "trial: .*no such table"),
    ("dies in workers alone", CARD, lambda text: IN_A_WORKER + "__import__('os')._exit(3)", "trial: .*exited with status 3"),
    ("hangs in workers alone", CARD, lambda text: IN_A_WORKER + "__import__('time').sleep(3600)", "trial: .*4 s"),
)  # fmt: skip


@pytest.fixture
def three(lab: Any) -> Iterator[tuple[str, tuple[LabHost, ...]]]:
    """A lab of three hosts, and its name; the tests' own has two wherever a test deploys to all of them."""
    ours = named(f"{lab.lab.name[:11]}three")
    try:
        yield ours.name, lifecycle.up(ours, 3, print)
    finally:
        lifecycle.down(ours)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kinds", [BROKEN[::4], pytest.param(BROKEN, marks=pytest.mark.prove)], ids=["some", "all"])
def test_a_broken_release_reaches_no_host(project: Any, three: Any, ask: Any, table: Any, kinds: tuple[Broken, ...]) -> None:
    """Exit code 4 and the application's own reason; the first host serves what it served, the other two were never switched."""
    name, hosts = three
    project = replace(project, lab=name)
    # One that hangs shall not hang this test for half a minute.
    setting: Path = project.root / SETTING
    setting.write_text(setting.read_text().replace("load_timeout: 30", "load_timeout: 4"))
    project.fab("deploy")
    before = [ask(host)["release"] for host in hosts]
    workers = [row["workers"] for row in project.fab("status", "--json").json["hosts"]]
    with Load([(host.address, 8000) for host in hosts], Mix(fresh=30, reused=30)) as load:
        for what, changed, broken, reason in kinds:
            file: Path = project.root / changed
            sound = file.read_text()
            assert broken(sound) != sound
            file.write_text(broken(sound))
            done = project.fab("deploy", "--json", expect=4).json
            file.write_text(sound)
            assert [row["result"] for row in done["hosts"]] == ["failed", "untouched", "untouched"], what
            assert re.search(reason, done["hosts"][0]["reason"]), (what, done["hosts"][0]["reason"])
            assert [row["release"] for row in done["hosts"]] == before, what
            assert done["hosts"][0]["probe"]["failed"] == 0, what
            assert [ask(host)["release"] for host in hosts] == before, what
        # What its lock lacks is known before anything is sent.
        lock: Path = project.root / LOCK
        whole = lock.read_text()
        lock.write_text(re.sub(r"(?ms)^gunicorn==.*?(?=^\S)", "", whole))
        done = project.fab("deploy", "--json", expect=2).json
        lock.write_text(whole)
        assert [row["result"] for row in done["hosts"]] == ["refused"] * 3
        assert all("gunicorn" in row["reason"] and row["sent"] == 0 for row in done["hosts"])
        time.sleep(0.5)
    table.line(f"broken releases, three hosts: {load.account.line()}")
    assert not load.account.failures
    # The workers of the hosts that were not switched are those of before; the first one's have changed at most by its way back.
    after = [row["workers"] for row in project.fab("status", "--json").json["hosts"]]
    assert after == workers
    assert project.fab("deploy", "--json").json["hosts"][0]["result"] == "unchanged"
