"""A host that serves, and whose disk is full of files or of bytes: every verb says so, none leaves it otherwise than it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from raab.lab.state import LabHost

FILES = "mkdir /opt/full && cd /opt/full && python3 -c 'for number in range(1 << 20): open(str(number), chr(120))'"
BYTES = "fallocate --length $(df --block-size=1 --output=avail /opt | tail -n 1) /opt/full"
TELLING = ("status", "releases", "history", "logs")


@pytest.fixture
def small(lab: Any) -> Iterator[LabHost]:
    """A host whose /opt is a file system of its own, and gone afterwards."""
    host = lab.fresh()
    lab.shell(host).run("mkdir -p /opt && mount -t tmpfs -o size=600m,nr_inodes=20k tmpfs /opt")
    yield host
    lab.fresh()


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_disk_that_is_full(project: Any, lab: Any, ask: Any, small: LabHost) -> None:
    shell, chosen = lab.shell(small), ("--hosts", small.name)
    project.fab("deploy", *chosen)
    first = ask(small)["release"]
    project.mark("second")
    project.fab("deploy", *chosen)
    second = ask(small)["release"]
    project.mark("third")
    for fill, check, refusal in ((FILES, "inodes", "disk: needs 1000 inodes"), (BYTES, "MiB free", "disk: needs")):
        shell.run("while systemctl -q is-active raab-activate; do sleep 0.05; done")
        shell.run(fill, check=False)
        found = project.fab("doctor", *chosen, "--json", expect=1).json["hosts"][0]["findings"]
        bad = {each["check"]: each for each in found if not each["well"]}
        assert {"disk", "writing"} <= bad.keys() and check in bad["writing"]["text"] and all(each["cure"] for each in bad.values()), bad
        assert f"refused: host {small.name}: {refusal}" in project.fab("plan", *chosen, expect=None).out
        assert refusal in project.fab("deploy", *chosen, expect=5).out
        for verb in TELLING:
            project.fab(verb, *chosen)
        project.fab("reload", *chosen)
        done = project.fab("rollback", *chosen, "--json", expect=None)
        (row,) = done.json["hosts"]
        # Without an inode there is no link to switch to. What is written where bytes lack may still have a page of its own.
        assert (done.code, row["result"]) in ({(4, "failed")} if fill == FILES else {(4, "failed"), (0, "rolled back")}), done.out
        assert ask(small)["release"] == row["release"] == (second if done.code else first)
        assert done.code == 0 or "No space left on device" in row["reason"]
        shell.run("rm -r /opt/full")
        project.fab("rollback", "--to", second, *chosen)
    project.fab("deploy", *chosen)
    assert ask(small)["mark"] == "third"
