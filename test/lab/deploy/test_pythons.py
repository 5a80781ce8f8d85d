"""Each Python that raab runs on, on a host: those that Debians have as their own, and interpreters of this machine that an environment's
file names. On each a deploy, one of a change and a rollback under traffic of which no request is lost."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab import lab as lifecycle
from raab.lab.shell import Shell
from raab.lab.state import Lab, LabHost, named

# An image that is not there yet is built first.
pytestmark = [pytest.mark.prove, pytest.mark.timeout(1500)]
DEBIANS = {"3.11": "bookworm", "3.13": "trixie", "3.14": "testing"}


@pytest.fixture
def debian(lab: Any) -> Iterator[Callable[[str], tuple[Lab, LabHost, Shell]]]:
    """A lab of one host of that Debian beside the tests' own."""
    other = named(f"{lab.lab.name[:15]}x")
    shells: list[Shell] = []

    def up(suite: str) -> tuple[Lab, LabHost, Shell]:
        (host,) = lifecycle.up(other, 1, print, suite=suite)
        shells.append(Shell(host))
        return other, host, shells[0]

    lifecycle.down(other)
    yield up
    for shell in shells:
        shell.close()
    lifecycle.down(other)


def brought(minor: str, host: LabHost) -> str:
    """An interpreter of this machine, copied to the host; its path there."""
    # pyenv's, whose commands on PATH are scripts; else one on PATH.
    found: list[str | Path] = [
        *Path.home().glob(f".pyenv/versions/{minor}.*/bin/python{minor}"),
        *filter(None, [shutil.which(f"python{minor}")]),
    ]
    assert found, f"this machine has no Python {minor}"
    home = Path(found[0]).resolve().parents[1]
    tar = shlex.join(("tar", "-C", str(home), "--exclude=test", "--exclude=__pycache__", "--exclude=site-packages", "-c", "bin", "lib"))
    there = f"/opt/python{minor}"
    # Its library is looked for where it was built.
    known = f"echo {there}/lib >/etc/ld.so.conf.d/python.conf && ldconfig"
    copy = f"{tar} | {shlex.join(host.ssh_argv)} {shlex.quote(f'mkdir {there} && tar -C {there} -x && {known}')}"
    subprocess.run(copy, shell=True, check=True, timeout=200)
    return f"{there}/bin/python{minor}"


@pytest.mark.parametrize("minor", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_a_service_of_each_python(minor: str, debian: Any, project: Any) -> None:
    other, host, shell = debian(DEBIANS.get(minor, "bookworm"))
    there = dataclasses.replace(project, lab=other.name)
    if minor not in DEBIANS:
        there.environment("lab", f"hosts: lab\npython: {brought(minor, host)}\n")
    there.fab("deploy")
    serves = shell.run("/opt/raab/current/venv/bin/python -V; readlink -f /proc/$(systemctl show -p MainPID --value raab)/exe").out
    assert serves.startswith(f"Python {minor}.") and serves.rstrip().endswith(f"python{minor}"), serves
    assert there.fab("doctor").out
    for act in (
        lambda: (there.mark("changed"), there.fab("deploy")),
        lambda: there.fab("rollback"),
        lambda: shell.run("systemctl reload raab"),
    ):
        with Load([(host.address, 8000)], Mix(fresh=20, reused=20)) as load:
            act()
        assert load.account.total > 20 and not load.account.failures, load.account.line()
