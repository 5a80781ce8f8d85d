"""Who else is at work on a host: a colleague's systemctl in the middle of a deploy; an activation that hangs; who holds the lock."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.state import LabHost


class Case(NamedTuple):
    """One disturbance. `says` is a part of what the verb prints, `serves` is what each host serves afterwards, `lost` how many requests
    of those that were sent all the while; None where the service is stopped by the case itself."""

    name: str
    done: str
    code: int
    says: str
    serves: str
    lost: int | None = 0


# What a colleague, or needrestart, does on the host in the middle of an activation.
COLLEAGUES = (
    Case("restarted while the release is loaded", "systemctl restart raab", 0, "waiting for that", "new"),
    Case("restarted while new workers take over", "systemctl restart raab", 0, "waiting for that", "new"),
    Case("restarted while it is proved", "systemctl restart raab", 0, "deployed", "new"),
    Case("reloaded while the release is loaded", "systemctl reload raab", 0, "deployed", "new"),
    Case("reloaded while new workers take over", "systemctl reload raab", 0, "deployed", "new"),
    Case("master killed while new workers take over", "systemctl kill -s KILL --kill-who=main raab", 0, "waiting for that", "new"),
    Case("stopped while the release is loaded", "systemctl stop raab", 4, "somebody else has stopped it", "nothing", None),
    Case("stopped while new workers take over", "systemctl stop raab", 4, "somebody else has stopped it", "nothing", None),
    Case("stopped while it is proved", "systemctl stop raab", 4, "somebody else has stopped it", "nothing", None),
)
# An activation that hangs, and `fab unlock --force`; the code is unlock's.
HANGING = (
    Case("hangs before the switch", "a hook before_activate that does not end", 0, "was ended", "old"),
    Case("hangs after the switch", "a hook after_activate that does not end", 0, "was ended", "old"),
    Case("is stopped by a signal while the release is loaded", "kill -STOP of the activation", 0, "was ended", "old"),
    Case(
        "does not listen when it is told to end",
        "a process in its place that ignores SIGTERM, and a hook before_activate that does not end",
        0,
        "was ended",
        "old",
    ),
)

CARD = "src/raab/modules/home/__init__.py"
# An application whose import, workers and answers take their time, so that each step of its activation can be met.
SLOW = """
import os, time
time.sleep(0.6)
os.register_at_fork(after_in_child=lambda: time.sleep(0.3))


@blueprint.before_app_request
def slow():
    time.sleep(0.1)
"""
# What the activation says when a case's moment has come.
MOMENTS = {"is loaded": "loading it for trial", "take over": "handing over", "is proved": "proving it"}
EVENTS = "/run/raab-deploy/events.jsonl"


def slow(project: Any, text: str) -> None:
    project.mark(text)
    card = project.root / CARD
    card.write_text(card.read_text() + SLOW)


@contextmanager
def at(lab: Any, host: LabHost, moment: str, act: str) -> Iterator[None]:
    """Have root of the host do something when the activation of the block has come to a moment."""
    shell = lab.shell(host)
    waits = f"rm -f {EVENTS}; until grep -qs '{moment}' {EVENTS}; do :; done; sleep 0.05; {act}"
    thread = threading.Thread(target=shell.run, args=(waits,), kwargs={"check": False, "timeout": 120})
    thread.start()
    time.sleep(0.1)
    yield
    thread.join()


def state(lab: Any, host: LabHost) -> tuple[str, str]:
    told = lab.shell(host).run("systemctl is-active raab; readlink /opt/raab/current", check=False).out.split()
    return told[0], told[1].removeprefix("releases/")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cases", [COLLEAGUES[1::6], pytest.param(COLLEAGUES, marks=pytest.mark.prove)], ids=["some", "all"])
def test_a_colleague_at_work_on_the_service(project: Any, lab: Any, ask: Any, cases: tuple[Case, ...]) -> None:
    """A restart is waited for, a stop is an ordinary failure and stays one; nobody is stranded, and no success is said that is none."""
    (host,) = lab.hosts(1)
    slow(project, "first")
    project.fab("deploy", "--hosts", host.name)
    for case in cases:
        before = ask(host)["release"]
        slow(project, case.name)
        wanted = project.release()
        moment = next(step for words, step in MOMENTS.items() if words in case.name)
        with Load([(host.address, 8000)], Mix(fresh=10, reused=10)) as load, at(lab, host, moment, case.done):
            done = project.fab("deploy", "--hosts", host.name, "--json", expect=None)
        row = done.json["hosts"][0]
        assert (done.code, row["result"]) == (case.code, "failed" if case.code else "deployed"), (case, row)
        assert case.says in f"{row['reason']} {row['result']} {lab.shell(host).run(f'cat {EVENTS}').out}", (case, row)
        assert case.lost is None or len(load.account.failures) == case.lost, (case, load.account.line())
        active, current = state(lab, host)
        if case.serves == "new":
            assert (active, current, row["release"], ask(host)["release"]) == ("active", wanted, wanted, wanted), case
        else:
            # Who has stopped it wants it to be stopped; a start would bring what served before.
            assert (active, current, row["release"]) == ("inactive", before, None), case
            lab.shell(host).run("systemctl start raab")
            assert ask(host)["release"] == before
    project.fab("deploy", "--hosts", host.name)


@contextmanager
def hanging(project: Any, lab: Any, host: LabHost, case: Case) -> Iterator[subprocess.Popen[str]]:
    """A deploy whose activation hangs as the case says, under way on the host. It holds the lock, and ends with the block at the latest."""
    hook = next((name for name in ("before_activate", "after_activate") if name in case.done), "")
    text = (
        f"hosts: lab\nhooks: {{{hook}: {{command: 'touch /var/lib/raab/hanging; sleep 3000', timeout: 3000}}}}\n"
        if hook
        else "hosts: lab\n"
    )
    project.environment("hanging", text)
    shell = lab.shell(host)
    shell.run("rm -f /var/lib/raab/hanging")
    deployer = subprocess.Popen(
        project.command("deploy", "--env", "hanging", "--hosts", host.name), cwd=project.root, env=project.environ,
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        shell.run("until systemctl -q is-active raab-activate; do :; done")
        if hook:
            shell.run("until test -e /var/lib/raab/hanging; do sleep 0.02; done")
        if "STOP" in case.done:
            shell.run(f"until grep -q loading {EVENTS}; do :; done; systemctl kill -s STOP --kill-who=main raab-activate")
        if "in its place" in case.done:
            shell.run(
                f"systemctl kill -s KILL raab-activate; while systemctl -q is-active raab-activate; do sleep 0.02; done; rm -f {EVENTS}; "
                "systemd-run -q --collect --unit=raab-activate --property=TimeoutStopSec=1 sh -c 'trap \"\" TERM; sleep 3000'"
            )
        yield deployer
    finally:
        deployer.kill()
        deployer.wait()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cases", [HANGING[1::2], pytest.param(HANGING, marks=pytest.mark.prove)], ids=["some", "all"])
def test_an_activation_that_hangs_is_ended(project: Any, lab: Any, ask: Any, cases: tuple[Case, ...]) -> None:
    """`fab unlock` says that it goes on, and with --force it ends: the host is on one complete release, and no request is lost."""
    (host,) = lab.hosts(1)
    slow(project, "first")
    project.fab("deploy", "--hosts", host.name)
    for case in cases:
        before = ask(host)["release"]
        slow(project, case.name)
        wanted = project.release()
        with Load([(host.address, 8000)], Mix(fresh=10, reused=10)) as load, hanging(project, lab, host, case) as deployer:
            told = project.fab("unlock", "--hosts", host.name, expect=6).out
            assert f"an activation of {wanted} goes on by itself" in told, told
            assert "activation is at work" in project.fab("restart", "--hosts", host.name, expect=6).err
            done = project.fab("unlock", "--force", "--hosts", host.name, expect=case.code)
            out, err = deployer.communicate(timeout=120)
            assert deployer.returncode in (3, 4, 7), out + err
            assert "Traceback" not in out + err
        assert f"the activation of {wanted} {case.says}: it serves {before}" in done.out, done.out + done.err
        assert len(load.account.failures) == case.lost, (case, load.account.line())
        assert state(lab, host) == ("active", before), case
        assert ask(host)["release"] == before, case
        assert not lab.shell(host).run("ls /run/systemd/system/raabnow* 2>/dev/null; pgrep -f '[s]leep 3000'", check=False).out
        project.fab("deploy", "--hosts", host.name)
        assert ask(host)["release"] == wanted, case


def test_the_service_is_left_to_who_deploys(project: Any, lab: Any) -> None:
    """`fab restart`, `reload` and `scale` say who holds the lock, and with --wait they follow."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    holder = lab.shell(host).run(
        "systemd-run -q --unit=holder --collect python3 -c \"import fcntl, json, os, time; f = open('/run/raab-deploy/lock', 'w'); "
        "fcntl.flock(f, fcntl.LOCK_EX); f.write(json.dumps({'who': 'ann', 'machine': 'laptop', 'what': 'deploy of x', 'pid': os.getpid(), "
        "'started': open('/proc/self/stat').read().rpartition(')')[2].split()[19]})); f.flush(); time.sleep(3000)\""
        "; until grep -q ann /run/raab-deploy/lock; do sleep 0.05; done; systemctl show -p MainPID --value holder"
    ).out.strip()  # fmt: skip
    for words in (("restart",), ("reload",), ("scale", "3")):
        done = project.fab(*words, "--hosts", host.name, expect=6)
        assert "lock: held for deploy of x, got ann from laptop" in done.err, done.err
    assert json.loads(lab.shell(host).run("/usr/local/bin/raab status --json").out)["target"] != 3
    waiting = subprocess.Popen(
        project.command("reload", "--wait", "60", "--hosts", host.name), cwd=project.root, env=project.environ, stdout=subprocess.PIPE
    )
    time.sleep(1)
    assert waiting.poll() is None
    assert "freed from ann at laptop (deploy of x)" in project.fab("unlock", "--hosts", host.name).out
    assert waiting.wait(60) == 0
    assert lab.shell(host).run(f"test ! -e /proc/{holder}").status == 0
