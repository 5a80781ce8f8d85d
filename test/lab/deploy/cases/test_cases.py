"""Each case of the table, on a host that serves a release and is asked all the while."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

from . import page
from .case import Case, Stage
from .table import TABLE

SETTLED = "while systemctl -q is-active raab-activate; do sleep 0.02; done"
FAB = Path(sys.executable).parent


@pytest.fixture(scope="module")
def traffic() -> Iterator[dict[str, page.Sent]]:
    """What was sent in each case. The page is printed when all are known; of those that were not run it says what it said."""
    found = page.traffic_of(page.PAGE.read_text()) if page.PAGE.exists() else {}
    yield found
    if os.environ.get("RAAB_PRINT_CASES"):
        page.PAGE.write_text(page.printed(TABLE, found))


def serving(ask: Any, host: Any) -> str | None:
    try:
        return str(ask(host)["release"])
    except OSError:
        return None


@pytest.mark.parametrize("case", [pytest.param(case, marks=() if case.quick else pytest.mark.prove, id=page.key(case)) for case in TABLE])
def test_what_a_deploy_says_is_so(case: Case, project: Any, lab: Any, ask: Any, traffic: dict[str, page.Sent]) -> None:
    (host,) = lab.hosts(1)
    shell = lab.shell(host)
    if serving(ask, host) is None:
        project.fab("deploy", "--hosts", host.name)
        project.mark("of the case")
    stage = Stage(project, host, shell)
    try:
        case.make(stage)
        before = serving(ask, host)
        with Load([(host.address, 8000)], Mix(fresh=10, reused=10)) as load:
            code, said = typed(case, stage)
            # What a deployer who has gone left to itself is over.
            shell.run(SETTLED)
    finally:
        for command in reversed(stage.afterwards):
            shell.run(command, check=False)
    after = serving(ask, host)
    assert "Traceback" not in said, said
    assert (code, case.text in said) == (case.code, True), f"exit code {code}\n{said}"
    found = "before" if after == before else "nothing" if after is None else "new"
    assert found == case.serves or (case.serves == "either" and found != "nothing"), said
    complete = "test -e /opt/raab/current/manifest.json && basename $(readlink /opt/raab/current)"
    assert shell.run(complete).out.strip() == after
    assert load.account.failures == () and load.account.total > 0
    traffic[page.key(case)] = page.Sent(load.account.total, 0)


def typed(case: Case, stage: Stage) -> tuple[int, str]:
    """Type the line; the exit code that a shell tells, and all that was said."""
    line = case.line.format(host=shlex.quote(stage.host.name))
    environ = {**stage.project.environ, "PATH": f"{FAB}:/usr/bin:/bin:/usr/sbin"}
    # The shell becomes fab where that is all that it does, so that a signal is the verb's.
    command = ("bash", "-o", "pipefail", "-c", line)
    with subprocess.Popen(
        command, cwd=stage.root, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        end = threading.Timer(240, process.kill)
        end.start()
        said, at = [], case.at
        assert process.stdout is not None
        for text in process.stdout:
            said.append(text)
            if at and at[0] in text:
                process.send_signal(at[1])
                at = None
        end.cancel()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode, "".join(said)
