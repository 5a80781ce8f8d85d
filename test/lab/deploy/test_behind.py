"""A host that is behind with its work: a deploy that cannot be shown in time is taken back, and nobody is called."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

# It takes no time of any processor, and yet all that a worker has.
VIEW = """

@blueprint.get("/heavy")
def heavy() -> str:
    import ctypes
    ctypes.CDLL(None).usleep(500_000)
    return "done"
"""
SETTING = "src/raab/config/setting.yaml"


def marked(project: Any, mark: str) -> None:
    project.mark(mark)
    card = project.root / "src/raab/modules/home/__init__.py"
    card.write_text(card.read_text() + VIEW)


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_a_host_that_is_behind_is_not_stranded(lab: Any, project: Any, fresh_host: Any) -> None:
    """Its workers answer four requests a second, and get eight: what comes waits longer by each second."""
    host = fresh_host
    # The proof is given no more time than a load.
    setting = project.root / SETTING
    setting.write_text(setting.read_text().replace("load_timeout: 30", "load_timeout: 5"))
    marked(project, "before")
    project.fab("deploy", "--hosts", host.name)
    before = lab.shell(host).run("readlink /opt/raab/current").out
    marked(project, "after")
    with Load([(host.address, 8000)], Mix(fresh=8, reused=0, path="/heavy", timeout=5)):
        time.sleep(10)
        done = project.fab("deploy", "--hosts", host.name, "--json", expect=4).json
    assert done["hosts"][0]["result"] == "failed" and "a connection that failed (timed out)" in done["hosts"][0]["reason"]
    assert lab.shell(host).run("readlink /opt/raab/current").out == before
    assert json.loads(lab.shell(host).run("raab status --json").out)["release"] == before.strip().rpartition("/")[2]
