"""One Ctrl-C, SIGTERM or hangup, or a network that dies, at each step of a deploy to two hosts in two waves.

What is said is right about both hosts each time, no request is lost, and the next deploy converges.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab import lab as lifecycle
from raab.lab.state import LabHost

SETTLED = "while systemctl -q is-active raab-activate; do sleep 0.02; done; readlink /opt/raab/current"


class Step(NamedTuple):
    """A line of a deploy: which host's, 0 for none, and how it begins. `serves` is what each host ends on when the deploy ends there,
    `sure` whether that is said as it is, and not as one of two."""

    host: int
    begins: str
    serves: tuple[str, str]
    sure: tuple[bool, bool] = (True, True)


STEPS = (
    Step(1, "sending", ("old", "old")),
    Step(2, "unpacking", ("old", "old")),
    Step(0, "wave 1", ("either", "old"), (False, True)),
    Step(1, "verifying", ("new", "old"), (False, True)),
    Step(1, "loading", ("new", "old"), (False, True)),
    Step(1, "switching", ("new", "old"), (False, True)),
    Step(1, "handing over", ("new", "old"), (False, True)),
    Step(1, "proving", ("new", "old"), (False, True)),
    Step(0, "wave 2", ("new", "either"), (True, False)),
    Step(2, "verifying", ("new", "new"), (True, False)),
    Step(2, "loading", ("new", "new"), (True, False)),
    Step(2, "switching", ("new", "new"), (True, False)),
    Step(2, "handing over", ("new", "new"), (True, False)),
    Step(2, "proving", ("new", "new"), (True, False)),
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SOME = [(STEPS[0], signal.SIGHUP), (STEPS[5], signal.SIGINT), (STEPS[8], signal.SIGTERM)]
CLAIM = re.compile(r"^  (\S+)  serves (\S+?)(?: or (\S+?))?: (.*)$", re.MULTILINE)


@contextmanager
def no_request_lost(hosts: tuple[LabHost, ...]) -> Iterator[None]:
    with Load([(host.address, 8000) for host in hosts], Mix(fresh=10, reused=10)) as load:
        yield
    assert load.account.failures == () and load.account.total > 0


def begun(project: Any, step: Step, hosts: tuple[LabHost, ...], *words: str) -> subprocess.Popen[str]:
    """A deploy that has come to a step."""
    process = subprocess.Popen(
        project.command("deploy", *words), cwd=project.root, env=project.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    name = hosts[step.host - 1].name if step.host else ""
    begins = re.compile(rf" *[0-9.]+  {f'{name} +' if name else ' +'}{step.begins}")
    assert any(begins.match(line) for line in process.stderr), step
    return process


def serve(lab: Any, ask: Any, hosts: tuple[LabHost, ...]) -> dict[str, str]:
    """What each host serves when nothing goes on there any more."""
    for host in hosts:
        current = lab.shell(host).run(SETTLED).out.strip().removeprefix("releases/")
        assert ask(host)["release"] == current, host
    return {host.name: ask(host)["release"] for host in hosts}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(SOME, id="some"),
        *(pytest.param([(step, number) for step in STEPS], id=f"all-{number.name}", marks=pytest.mark.prove) for number in SIGNALS),
    ],
)
def test_a_deploy_is_interrupted(project: Any, lab: Any, ask: Any, cases: list[tuple[Step, signal.Signals]], table: Any) -> None:
    """The first signal is answered at once: what each host serves, what goes on by itself, what to type next."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    slowest = 0.0
    with no_request_lost(hosts):
        for step, number in cases:
            old = ask(hosts[0])["release"]
            project.mark(f"{step} {number}")
            new = project.release()
            process = begun(project, step, hosts)
            at = time.monotonic()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            slowest = max(slowest, time.monotonic() - at)
            assert process.returncode == 130, out + err
            assert "Traceback" not in out + err
            assert re.search(rf"^{number.name}: `fab deploy` ends here, after ", err, re.MULTILINE), err
            claims = {name: {serves, other} - {""} for name, serves, other, _ in CLAIM.findall(err)}
            assert claims.keys() == {host.name for host in hosts}, err
            sure = {host.name: ask(host)["release"] for host in hosts if len(claims[host.name]) == 1}
            # What is said as it is is so at once, and stays so.
            assert all(claims[name] == {release} for name, release in sure.items()), (err, sure)
            true = serve(lab, ask, hosts)
            assert all(true[name] in claim for name, claim in claims.items()), (err, true)
            for host, serves, certain in zip(hosts, step.serves, step.sure, strict=True):
                assert serves == "either" or true[host.name] in ({old} if serves == "old" else {new, old}), (step, err)
                assert not certain or len(claims[host.name]) == 1 or true[host.name] == new, (step, err)
            (typed,) = re.findall(r"`(fab deploy[^`]*)` goes on from there", err)
            project.fab(*typed.split()[1:])
            assert set(serve(lab, ask, hosts).values()) == {new}
    table.line(f"interrupted {len(cases)} times: the slowest answer after {slowest:.2f} s")


def test_machines_are_told_too(project: Any, lab: Any, ask: Any) -> None:
    """One document; a host whose activation goes on is unknown."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    old = ask(hosts[0])["release"]
    project.mark("for machines")
    process = subprocess.Popen(
        project.command("deploy", "--json"),
        cwd=project.root,
        env=project.environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    lab.shell(hosts[0]).run("until systemctl -q is-active raab-activate; do :; done")
    process.terminate()
    out, err = process.communicate(timeout=60)
    told = json.loads(out)
    first, second = told["hosts"]
    assert (process.returncode, told["exit_code"]) == (130, 130), err
    assert (second["result"], second["release"]) == ("untouched", old)
    assert first["result"] in ("unknown", "deployed")
    serve(lab, ask, hosts)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.begins} {step.host}".replace(" ", "-"))
def test_the_network_dies_at_each_step(project: Any, lab: Any, ask: Any, step: Step) -> None:
    """Of the host that has come to it: the deploy ends, its words on both hosts are so, or say unknown, and the next one converges."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    project.mark(f"cut at {step}")
    new = project.release()
    cut = hosts[(step.host or int(step.begins.removeprefix("wave "))) - 1]
    process = begun(project, step, hosts)
    lifecycle.cut(lab.lab, cut.name)
    try:
        out, err = process.communicate(timeout=240)
    finally:
        lifecycle.heal(lab.lab, cut.name)
    assert process.returncode == 3 and "Traceback" not in out + err, out + err
    lab.shell(cut).close()
    true = serve(lab, ask, hosts)
    for host in hosts:
        (row,) = [line.split() for line in out.splitlines() if line.split()[:2] == [host.name, host.address]]
        said = row[3] if row[2] != "rolled" else row[4]
        assert "stranded" not in row, out
        assert said in ("unknown", true[host.name]), (out, true)
        assert host is cut or said == true[host.name], (out, true)
    project.fab("deploy", "--wait", "120")
    assert set(serve(lab, ask, hosts).values()) == {new}


@pytest.mark.prove
def test_the_network_of_a_host_that_is_done_dies(project: Any, lab: Any, ask: Any) -> None:
    """Nothing more is wanted of it: the deploy goes on to the next wave, and ends as one that did it all, which it has."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    project.mark("cut when it is done")
    new = project.release()
    process = begun(project, STEPS[8], hosts)
    lifecycle.cut(lab.lab, hosts[0].name)
    try:
        out, err = process.communicate(timeout=240)
    finally:
        lifecycle.heal(lab.lab, hosts[0].name)
    lab.shell(hosts[0]).close()
    assert (process.returncode, [line.split()[2:4] for line in out.splitlines()[1:3]]) == (0, [["deployed", new]] * 2), out + err
    assert set(serve(lab, ask, hosts).values()) == {new}


def test_logs_that_are_followed_end_at_once(project: Any, lab: Any) -> None:
    """At the first Ctrl-C, and when nobody reads them any more."""
    lab.hosts(2)
    project.fab("deploy")
    words = project.command("logs", "--follow")
    process = subprocess.Popen(
        words, cwd=project.root, env=project.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    assert process.stdout is not None and process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")
    process = subprocess.Popen(words, cwd=project.root, env=project.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0
