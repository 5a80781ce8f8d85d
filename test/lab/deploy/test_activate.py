"""`raab activate ID`, typed on a host: what a deploy does last, under the same lock and apart from the terminal."""

from __future__ import annotations

from typing import Any

SETTLED = "while systemctl -q is-active raab-activate; do sleep 0.02; done"


def test_an_operator_activates_a_release_that_is_kept(project: Any, lab: Any, ask: Any) -> None:
    """He is told the steps and the verdict; under somebody's lock he is told whose it is, and a lost login ends no activation."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    first = ask(host)["release"]
    project.mark("second")
    project.fab("deploy", "--hosts", host.name)
    second = ask(host)["release"]
    shell = lab.shell(host)
    shell.run(SETTLED)
    held = "flock --nonblock /run/raab-deploy/lock raab activate"
    done = shell.run(f"{held} {first} 2>&1", check=False)
    assert (done.status, ask(host)["release"]) == (6, second) and "lock: held for" in done.out
    done = shell.run(f"raab activate {first}")
    assert done.out.splitlines()[-1] == f"{first} serves" and "verifying the release" in done.out
    assert ask(host)["release"] == first
    shell.run(SETTLED)
    gone = "until systemctl -q is-active raab-activate; do sleep 0.01; done; kill -HUP %1"
    shell.run(f"bash -mc 'raab activate {second} & {gone}'; {SETTLED}", check=False)
    assert ask(host)["release"] == second
    entries = project.fab("history", "--hosts", host.name, "--json").json["entries"]
    assert [(one["action"], one["verdict"]) for one in entries[-2:]] == [("activate", "serving")] * 2
    assert shell.run("raab activate 20200101T000000Z-0000000", check=False).status == 2
