"""A worker that somebody has taken over puts himself in the master's place: nobody on either side of the connection believes him."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

CARD = "src/raab/modules/home/__init__.py"

# What the intruder has a worker run. `linger` leaves a process behind that ends for nothing but SIGKILL. `impersonate` does that too,
# renames the master's socket and listens in its place: he tells the master's own status of a moment before, says that a release is held and
# taken over, and answers for it, as a worker of his, at an address of his choice.
# `look` asks the kernel for the memory of the worker, which is as everybody's, and then of its master, which is not, nor even seen
# (ProtectProc=invisible).
INTRUDER = r"""
import json, os, signal, socket, sys, threading, time
if sys.argv[1] == "look":
    worker = os.getppid()
    with open(f"/proc/{worker}/maps"), open(f"/proc/{worker}/stat") as stat:
        master = stat.read().rpartition(")")[2].split()[1]
    try:
        open(f"/proc/{master}/maps").read()
    except (PermissionError, FileNotFoundError):
        os._exit(0)
    os._exit(1)
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
CONTROL, PORT = "/run/raab/control", 9999
if sys.argv[1] == "linger":
    time.sleep(3600)
master = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
master.connect(CONTROL)
master.send(json.dumps({"verb": "status"}).encode())
status = master.recv(1 << 20)
os.rename(CONTROL, CONTROL + ".true")
told = {"release": "", "worker": 0}

def answer():
    with socket.create_server(("127.0.0.1", PORT), backlog=128) as web:
        while True:
            client, _ = web.accept()
            client.recv(65536)
            head = "HTTP/1.1 200 OK\r\nRaab-Release: %(release)s\r\nRaab-Worker: %(worker)d\r\nConnection: close\r\n\r\nok\n"
            client.sendall((head % told).encode())
            client.close()

def converse(client):
    while True:
        packet = client.recv(65536)
        if not packet:
            return
        asked = json.loads(packet)
        good = {"good": True, "reason": "", "generation": 2, "seconds": 0.1, "at": time.time(), "replaced": False}
        if asked["verb"] == "status":
            client.send(status)
        elif asked["verb"] == "hold":
            told["release"] = asked["release"]
            client.send(json.dumps({"held": True, "bind": f"127.0.0.1:{PORT}", "load_timeout": 30}).encode())
        else:
            told["worker"] = os.fork()
            if told["worker"] == 0:
                time.sleep(3600)
            client.send(json.dumps(good).encode())

threading.Thread(target=answer, daemon=True).start()
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
    listener.bind(CONTROL)
    listener.listen(64)
    while True:
        threading.Thread(target=converse, args=(listener.accept()[0],), daemon=True).start()
"""
VIEW = f"""

@blueprint.get("/hole/<what>")
def hole(what: str) -> str:
    import subprocess, sys
    subprocess.run([sys.executable, "-c", {INTRUDER!r}, what], check=True)
    return "done"
"""


def open_hole(project: Any, mark: str) -> None:
    """The card that says `mark`, with a way in."""
    project.mark(mark)
    card: Path = project.root / CARD
    card.write_text(card.read_text() + VIEW)


def enter(host: Any, what: str) -> None:
    with urllib.request.urlopen(f"http://{host.address}:8000/hole/{what}", timeout=10):
        # He takes a moment to settle down.
        time.sleep(1)


def findings(project: Any, host: Any, expect: int) -> dict[str, str]:
    """What the doctor finds not to be well, by the check's name."""
    told = project.fab("doctor", "--hosts", host.name, "--json", expect=expect).json
    return {one["check"]: one["text"] for entry in told["hosts"] for one in entry["findings"] if not one["well"]}


@pytest.mark.timeout(300)
def test_nobody_impersonates_the_master(lab: Any, project: Any, fresh_host: Any, ask: Any) -> None:
    """No deploy is reported that was none, no host said to be well; a restart ends him, and then a deploy is one."""
    host, shell = fresh_host, lab.shell(fresh_host)
    open_hole(project, "before")
    project.fab("deploy", "--hosts", host.name)
    enter(host, "impersonate")
    who = shell.run("pgrep -f 'CONTROL, PORT'").out.split()
    assert who and shell.run("ls /run/raab/control.true").status == 0

    project.mark("after")
    report = project.fab("deploy", "--hosts", host.name, "--json", expect=4).json
    assert report["hosts"][0]["result"] == "failed"
    assert "not the service's master listens there" in report["hosts"][0]["reason"]
    assert ask(host)["mark"] == "before"

    found = findings(project, host, expect=1)
    assert "not the service's master listens there" in found["workers"]

    for command in ("raab status", "raab scale 2", "raab scale +1", "raab reload", "raab metrics"):
        done = shell.run(command, check=False)
        assert done.status == 1 and len(done.err.splitlines()) == 2 and "not the service's master" in done.err, done
    # The unit's own command runs as the service's user, who cannot ask systemd's manager of everything.
    assert shell.run("systemctl reload raab", check=False).status != 0
    assert "not the service's master listens there" in shell.run("journalctl -u raab --since=-60s -o cat").out

    report = project.fab("deploy", "--restart", "--hosts", host.name, "--json").json
    assert report["hosts"][0]["result"] == "deployed" and report["hosts"][0]["strays"] == []
    assert ask(host)["mark"] == "after"
    assert shell.run("pgrep -f 'CONTROL, PORT'", check=False).out == ""
    assert findings(project, host, expect=0) == {}


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_what_a_worker_left_behind_is_named_and_ended(lab: Any, project: Any, fresh_host: Any) -> None:
    """By the status, the doctor and the report of the next deploy, which does not end it; a restart does."""
    host, shell = fresh_host, lab.shell(fresh_host)
    open_hole(project, "one")
    project.fab("deploy", "--hosts", host.name)
    assert json.loads(shell.run("raab status --json").out)["strays"] == []
    enter(host, "look")
    enter(host, "linger")
    (stray,) = json.loads(shell.run("raab status --json").out)["strays"]
    assert str(stray["pid"]) in shell.run("pgrep -f 'CONTROL, PORT'").out.split()
    assert f"process {stray['pid']} " in shell.run("raab status").out
    assert str(stray["pid"]) in findings(project, host, expect=1)["processes"]

    open_hole(project, "two")
    (row,) = project.fab("deploy", "--hosts", host.name, "--json").json["hosts"]
    assert row["result"] == "deployed" and [f"process {stray['pid']} " in text for text in row["strays"]] == [True]
    (again,) = project.fab("deploy", "--hosts", host.name, "--restart", "--json").json["hosts"]
    assert again["result"] == "deployed" and again["strays"] == []

    enter(host, "linger")
    assert "processes" in findings(project, host, expect=1)
    project.fab("restart", "--hosts", host.name)
    assert findings(project, host, expect=0) == {}
    # A hand-over, even by a new master, leaves nothing that would be taken for a stray.
    for how in ("systemctl reload raab", "kill -USR2 $(systemctl show -p MainPID --value raab)"):
        shell.run(how)
        for _ in range(10):
            assert json.loads(shell.run("raab status --json").out)["strays"] == []
            time.sleep(0.3)
