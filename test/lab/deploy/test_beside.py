"""Processes beside the web: units of one release each, which end when they have done what they do. One that fails takes a deploy back."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest

from raab.lab import lab as lifecycle
from raab.lab.shell import Shell

# Tells of itself in the service's own directory; a second passes between its being told to end and its end.
WORKER = """
import json, os, pathlib, signal, sys, time
VERSION = "{version}"
state, ending = pathlib.Path(os.environ["STATE_DIRECTORY"]), []
signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
def tell(what):
    with open(state / "told", "a") as file:
        file.write(json.dumps({{"what": what, "version": VERSION, "pid": os.getpid(), "uid": os.getuid(), "cwd": os.getcwd(),
            "prefix": sys.prefix, "words": sys.argv[1:], "environment": dict(os.environ)}}) + "\\n")
tell("begins")
print("ready to", "work", flush=True)
while not ending:
    time.sleep(0.02)
time.sleep(1)
while (state / "hold").exists():
    time.sleep(0.02)
import raab.modules.home  # of its own release, however late
assert VERSION == "{version}"
tell("has done it")
"""
BESIDE = """
processes:
  worker:
    command: python -m raab.work "$RAAB_ENVIRONMENT" '50%h'
    count: 2
    settle: 0.3
"""


class Workers:
    """A project with a worker, and what its workers tell on a host."""

    def __init__(self, project: Any, shell: Shell) -> None:
        self.project, self.shell = project, shell

    def write(self, version: str, beside: str = BESIDE, worker: str = WORKER) -> None:
        config = self.project.root / "deploy/config.yaml"
        own = config.read_text().partition("# beside")[0]
        config.write_text(f"{own}# beside\n{beside}")
        (self.project.root / "src/raab/work.py").write_text(worker.format(version=version))

    def deploy(self, version: str, *words: str, beside: str = BESIDE, worker: str = WORKER, expect: int = 0) -> Any:
        self.write(version, beside, worker)
        return self.fab("deploy", *words, expect=expect)

    def fab(self, *words: str, expect: int = 0) -> Any:
        """Runs a verb for this host alone, whichever others the lab has."""
        return self.project.fab(*words, "--hosts", self.shell.host.name, expect=expect)

    def told(self) -> list[dict[str, Any]]:
        text = self.shell.run("cat /var/lib/raab/told", check=False).out
        return [json.loads(line) for line in text.splitlines()]

    def units(self) -> list[str]:
        """Those that run."""
        shown = self.shell.run("systemctl list-units --plain --no-legend --state=active 'raab@*.service'").out
        return [line.split()[0] for line in shown.splitlines()]

    def files(self) -> list[str]:
        return self.shell.run("cd /etc/systemd/system && ls -d raab@* */raab@* 2>/dev/null", check=False).out.split()

    def settled(self) -> None:
        """What an activation does after its verdict is done."""
        self.shell.run("while systemctl is-active --quiet raab-activate; do sleep 0.05; done")


@pytest.fixture
def workers(project: Any, lab: Any) -> Workers:
    host = lab.fresh()
    return Workers(project, lab.shell(host))


def instances(*numbers: int) -> list[str]:
    return [f"raab@worker-{number}.service" for number in numbers]


def test_a_deploy_brings_them_and_takes_them_away(workers: Workers) -> None:
    """With what the web has: user, sandbox, environment, the release as working directory. Each finishes in its own release's code what it
    does. One that does not stay up takes the deploy back, and those of before run again."""
    workers.deploy("one")
    first = workers.project.release()
    assert workers.units() == instances(1, 2)
    told = workers.told()
    assert [one["version"] for one in told] == ["one", "one"]
    uid = int(workers.shell.run("id -u raab").out)
    for one in told:
        assert (one["uid"], one["cwd"], one["prefix"]) == (uid, f"/opt/raab/releases/{first}/app", f"/opt/raab/releases/{first}/venv")
        assert one["words"] == ["production", "50%h"]
        assert one["environment"]["RAAB_RELEASE_DIR"] == f"/opt/raab/releases/{first}"
    shown = workers.shell.run("systemctl show raab@worker-1 -p User,ProtectSystem,PrivateUsers,KillMode,MainPID")
    assert {"User=raab", "ProtectSystem=strict", "PrivateUsers=yes"} <= set(shown.out.split())
    # A scaled number lasts; the process's log is its own.
    assert "worker: 2 -> 3" in workers.fab("scale", "worker=3").out
    assert workers.units() == instances(1, 2, 3)
    assert workers.fab("logs", "worker").out.count("ready to work") == 3
    # The old ones end first, and have a second for it; nothing is begun by them meanwhile.
    workers.deploy("two")
    second = workers.project.release()
    assert workers.units() == instances(1, 2, 3)
    told = workers.told()
    assert [(one["what"], one["version"]) for one in told[3:]] == [("has done it", "one")] * 3 + [("begins", "two")] * 3
    assert all(one["prefix"] == f"/opt/raab/releases/{first}/venv" for one in told[3:6])
    # One that ends is no worker.
    broken = workers.deploy("three", worker="raise SystemExit('no queue')", expect=4)
    assert "worker-1" in broken.out + broken.err and "no queue" in broken.out + broken.err
    assert workers.units() == instances(1, 2, 3)
    assert [(one["what"], one["version"]) for one in workers.told()[-6:]] == [("has done it", "two")] * 3 + [("begins", "two")] * 3
    status = workers.fab("status", "--json").json["hosts"][0]
    assert [(row["name"], row["state"], row["release"]) for row in status["processes"]] == [
        (f"worker-{number}", "active", second) for number in (1, 2, 3)
    ]
    workers.fab("rollback")
    assert {row["release"] for row in workers.fab("status", "--json").json["hosts"][0]["processes"]} == {first}
    assert workers.units() == instances(1, 2, 3)
    workers.deploy("four", beside="")
    workers.settled()
    assert workers.units() == [] and workers.files() == []
    assert (workers.told()[-1]["what"], workers.told()[-1]["version"]) == ("has done it", "one")


TIDY = """
import os, pathlib, time
state = pathlib.Path(os.environ["STATE_DIRECTORY"])
time.sleep(0.1)
while (state / "hold").exists():
    time.sleep(0.02)
import raab.modules.home
with open(state / "tidied", "a") as file:
    file.write("{version} ")
raise SystemExit(3)
"""
OVERLAP = """
processes:
  worker: {command: python -m raab.work, overlap: true, settle: 0, ready: ready to work, stop: {seconds: 300}}
timers:
  tidy: {command: python -m raab.tidy, schedule: "2099-01-01 03:00"}
"""


@pytest.mark.prove
def test_what_is_under_way_goes_on_in_its_own_release(workers: Workers, lab: Any) -> None:
    """A job of an old process, and a timer's run: over two deploys, of which the second would remove their release if nothing of it ran."""
    shell, project = workers.shell, workers.project
    project.environment("few", "hosts: lab\nkeep: 2\nwaves: [100%]\n")

    def deploy(version: str, timers: str = "2099-01-01 03:00", expect: int = 0) -> str:
        (project.root / "src/raab/tidy.py").write_text(TIDY.format(version=version))
        done = workers.deploy(version, "--env", "few", beside=OVERLAP.replace("2099-01-01 03:00", timers), expect=expect)
        return str(done.out + done.err)

    deploy("one")
    first = project.release()
    shell.run("touch /var/lib/raab/hold && systemctl start --no-block raab@tidy.service")
    deploy("two")
    assert workers.units() == instances(2)
    deploy("three")
    workers.settled()
    assert workers.units() == instances(3)
    told = [(one["what"], one["version"]) for one in workers.told()]
    assert told == [("begins", "one"), ("begins", "two"), ("begins", "three")]
    assert shell.run(f"ls -d /opt/raab/releases/{first}").out
    timer = workers.fab("status", "--env", "few", "--json").json["hosts"][0]["timers"][0]
    assert (timer["name"], timer["state"], timer["release"], timer["code"]) == ("tidy", "running", project.release(), None)
    # A schedule that nobody understands is found before anything is switched.
    assert "timers.tidy.schedule" in deploy("four", timers="on mondays", expect=4)
    shell.run("rm /var/lib/raab/hold; while systemctl show -p ActiveState raab@tidy | grep -q activating; do sleep 0.05; done")
    shell.run("while systemctl list-units --plain --no-legend 'raab@worker*' | grep -q deactivating; do sleep 0.05; done")
    assert shell.run("cat /var/lib/raab/tidied").out == "one "
    assert sorted((one["what"], one["version"]) for one in workers.told()[3:]) == [("has done it", "one"), ("has done it", "two")]
    assert shell.run("systemctl is-enabled raab@worker-3.service raab@tidy.timer").out.split() == ["enabled", "enabled"]
    metrics = shell.run("raab metrics").out
    assert 'raab_process_up{service="raab",process="worker",instance="worker-3"} 1' in metrics
    assert 'raab_timer_last_exit_code{service="raab",timer="tidy"} 3' in metrics
    doctor = workers.fab("doctor", "--env", "few", expect=1).out
    assert "tidy failed, exit code 3" in doctor and "worker 1 of 1" in doctor
    status = shell.run("raab status").out
    assert "worker-3" in status and "tidy" in status
    # What it is given has changed.
    shell.run("echo LEVEL=3 >/etc/raab/environment")
    workers.fab("reload", "--env", "few")
    assert workers.units() == instances(1) and workers.told()[-1]["environment"].get("LEVEL") == "3"
    workers.fab("restart", "--env", "few")
    assert [one["what"] for one in workers.told()[-2:]] == ["has done it", "begins"]
    workers.fab("remove", "raab", "--env", "few", "--yes")
    assert workers.units() == [] and workers.files() == []


# Says so, waits for as long as there is a file, and ends with 3.
ROUND = """
import os, pathlib, sys, time
state = pathlib.Path(os.environ["STATE_DIRECTORY"])
with open(state / "rounds", "a") as file:
    file.write("x")
print("begun", flush=True)
while (state / "hold").exists():
    time.sleep(0.02)
print("ended", file=sys.stderr)
raise SystemExit(3)
"""
TIMER = """
timers:
  tidy: {command: python -m raab.work, schedule: "2099-01-01 03:00"}
"""


@pytest.mark.prove
def test_what_a_timer_runs_is_run_now(workers: Workers) -> None:
    """In the timer's own unit, so that no two of it run at once: who asks meanwhile waits for the one under way. What it prints and its
    exit code are passed on; who goes away leaves it to itself."""
    shell = workers.shell
    workers.deploy("one", beside=TIMER, worker=ROUND)
    for _ in range(2):
        assert workers.fab("run", "tidy", expect=3).out == "begun\nended\n"
    done = shell.run("raab run tidy", check=False)
    assert (done.status, done.out) == (3, "begun\nended\n")
    refused = workers.fab("run", "tody", expect=2)
    assert "no such timer on this host, got tody" in refused.err and "it has: tidy" in refused.err
    assert "or two, got tidy and ls" in workers.fab("run", "tidy", "--hosts", shell.host.name, "--", "ls", expect=2).err
    # Begun by the timer, as it were.
    shell.run("touch /var/lib/raab/hold; systemctl start --no-block raab@tidy")
    command = workers.project.command("run", "tidy", "--hosts", shell.host.name)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=workers.project.root, env=workers.project.environ, stdout=pipe, stderr=pipe) as process:
        assert process.stdout and process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert shell.run("systemctl show -p ActiveState --value raab@tidy").out == "activating\n"
    shell.run("(sleep 1; rm /var/lib/raab/hold) >/dev/null 2>&1 &")
    assert shell.run("raab run tidy", check=False).out == "begun\nended\n"
    assert workers.fab("run", "tidy", "--detach").out.split() == [shell.host.name, "raab@tidy"]
    shell.run("while systemctl show -p ActiveState raab@tidy | grep -q activating; do sleep 0.05; done")
    assert shell.run("cat /var/lib/raab/rounds").out == "x" * 5


# As the timer has it: 2099-01-01 03:00, of a clock in UTC.
NEW_YEAR = 4070919600
GIVEN = """
processes:
  worker: {command: python -m raab.work, settle: 0, ready: ready to work}
timers:
  tidy: {command: sh -c "exit 4", schedule: "2099-01-01 03:00", persistent: true}
secrets: [KEY]
"""


# What somebody does by hand, and how the timer's state is told then.
LOST = (
    ("systemctl stop raab@worker-1 raab@tidy.timer", "stopped"),
    ("systemctl disable --now --quiet raab@worker-1.service raab@tidy.timer", "stopped"),
    (
        "systemctl stop raab@worker-1; cd /etc/systemd/system && rm raab@worker-1.service raab@tidy.timer && systemctl daemon-reload",
        "absent",
    ),
    ("systemctl stop raab@worker-1; rm /etc/systemd/system/raab@tidy.service && systemctl daemon-reload", "absent"),
)


def timer(workers: Workers) -> tuple[str, str, float]:
    """The only one, as status tells it: its name, its state and its next run."""
    (found,) = workers.fab("status", "--json").json["hosts"][0]["timers"]
    return found["name"], found["state"], found["next"]


@pytest.mark.prove
def test_they_get_what_is_rotated_and_come_back_after_a_boot(workers: Workers, lab: Any) -> None:
    """Processes and timers; the first run of a timer makes its exit code and its age known."""
    shell = workers.shell
    workers.write("one", GIVEN)
    for value in ("first", "second"):
        workers.fab("secrets", "set", "KEY", "--from", f"printf {value}")
        workers.fab("deploy" if value == "first" else "reload")
        assert workers.told()[-1]["environment"]["KEY"] == value
    assert timer(workers) == ("tidy", "waiting", NEW_YEAR)
    for act, state in LOST:
        shell.run(act)
        assert timer(workers)[1] == state
        assert state in shell.run("raab status").out
        doctor = workers.fab("doctor", expect=1).out
        assert "worker 0 of 1" in doctor and f"tidy {state}" in doctor and doctor.count("fab reload") == 2
        workers.fab("reload")
        assert workers.units() == instances(1) and timer(workers) == ("tidy", "waiting", NEW_YEAR)
    lifecycle.reboot(lab.lab, shell.host.name)
    shell.run("until systemctl is-active --quiet raab raab@worker-1 raab@tidy.timer; do sleep 0.1; done")
    assert workers.told()[-1]["environment"]["KEY"] == "second"
    assert workers.fab("run", "tidy", expect=4).out == ""
    metrics = shell.run("raab metrics").out
    assert 'raab_timer_last_exit_code{service="raab",timer="tidy"} 4' in metrics
    assert 'raab_timer_last_run_age_seconds{service="raab",timer="tidy"}' in metrics
    assert 'raab_process_up{service="raab",process="worker",instance="worker-1"} 1' in metrics
    # Of what is not in the configuration any more nothing is left.
    workers.deploy("two", beside="secrets: [KEY]\n")
    workers.settled()
    assert workers.files() == [] and workers.units() == []
    for text in (shell.run("raab metrics").out, shell.run("raab status").out, workers.fab("status").out, workers.fab("doctor").out):
        assert not any(word in text for word in ("worker-1", "raab_process", "tidy"))
