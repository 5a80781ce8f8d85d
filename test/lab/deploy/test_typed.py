"""What pages mark as typed is typed: <!-- typed: host --> by root on a host that serves `shop`, <!-- typed: checkout --> in a project."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from test.docs import reading

from raab.lab.shell import Shell
from raab.lab.state import LabHost

BLOCKS = [(page, block) for page in reading.pages() for block in reading.blocks(page.read_text()) if block.mark.startswith("typed: ")]


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_what_pages_say_to_type_works(project: Any, fresh_host: LabHost, shell: Shell) -> None:
    """Each block by a shell of its own that ends with the first failure, in the order of the pages; those of a checkout at last."""
    assert {block.mark for _, block in BLOCKS} == {"typed: host", "typed: checkout"} and len(BLOCKS) >= 4
    config = project.root / "deploy/config.yaml"
    config.write_text(config.read_text().replace("name: raab", "name: shop"))
    project.fab("deploy", "--hosts", fresh_host.name)
    failed = []
    for page, block in sorted(BLOCKS, key=lambda one: one[1].mark != "typed: host"):
        script = "\n".join(("set -e", *block.lines))
        if block.mark == "typed: host":
            done = shell.run(script, check=False, timeout=120)
            code, said = done.status, done.out + done.err
        else:
            environ = {**project.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"}
            ran = subprocess.run(["bash", "-c", script], cwd=project.root, env=environ, capture_output=True, text=True, timeout=240)
            code, said = ran.returncode, ran.stdout + ran.stderr
        if code:
            failed.append(f"{page.name}: {block.lines[0]} ...: {code}\n{said[-2000:]}")
    assert not failed, "\n\n".join(failed)
    with urllib.request.urlopen(f"http://{fresh_host.address}:8000/clock", timeout=10) as answer:
        assert b'"time"' in answer.read()
