"""What the journal of a host says of a service: sound lines, whatever is said; and the service without a journal."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from typing import Any

from raab.lab.state import LabHost

VIEWS = r"""
import logging, os, signal, threading
import gevent

class Evil(Exception): pass

def fail(): raise Evil("x\n<0>forged\n<2>forged: May 1 00:00:00 host sshd[1]: forged")

@blueprint.get("/greenlet")
def greenlet():
    gevent.spawn(fail)
    return "ok"

@blueprint.get("/thread")
def thread():
    threading.Thread(target=fail).start()
    return "ok"

@blueprint.get("/long")
def long():
    logging.getLogger("shop").error("begin %s end", "<0>forged " * 30_000)
    return "ok"

@blueprint.get("/much")
def much():
    # More than lies between a service and journald, which is 8 MB.
    for _ in range(300):
        logging.getLogger("shop").error("%s", "x" * 40_000)
    return "ok"

@blueprint.get("/print")
def printing():
    print("last words")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def ask(host: LabHost, path: str) -> str:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{host.address}:8000{path}", timeout=5) as answer:
        return str(answer.read().decode())
    return ""


def test_the_journal_has_sound_lines(project: Any, lab: Any) -> None:
    """Nobody's exception and no length makes a line of its own, a priority or a name; and what is printed survives its worker."""
    (host,) = lab.hosts(1)
    deploy(project, host)
    shell = lab.shell(host)
    begun = time.time()
    for path in ("/greenlet", "/thread", "/long"):
        assert ask(host, path) == "ok"
    assert ask(host, "/print") == ""
    time.sleep(1)
    told = shell.run(f"journalctl -u raab -o json --all --no-pager --since=@{begun:.6f}").out
    entries = [json.loads(line) for line in told.splitlines()]
    ours = [entry for entry in entries if entry["_TRANSPORT"] == "stdout"]
    assert {entry["SYSLOG_IDENTIFIER"] for entry in ours} == {"raab"}
    assert {entry["PRIORITY"] for entry in ours} <= {"3", "4", "6"}
    assert [entry["MESSAGE"] for entry in ours if entry["MESSAGE"][:1] != "{"] == ["last words"]
    objects = [(entry["PRIORITY"], json.loads(entry["MESSAGE"])) for entry in ours if entry["MESSAGE"][:1] == "{"]
    assert [priority for priority, said in objects if "Evil" in said.get("exc_info", "")] == ["3", "3"], told
    ((priority, long),) = [(priority, said) for priority, said in objects if said["logger"] == "shop"]
    assert priority == "3" and long["message"].startswith("begin ") and long["message"].endswith(" end")


def test_a_service_without_a_journal(project: Any, lab: Any) -> None:
    """journald hangs, or is stopped altogether: reload and restart work, and nobody waits."""
    (host,) = lab.hosts(1)
    deploy(project, host)
    shell = lab.shell(host)
    units = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald.service"
    for ends, comes_back in (
        ("systemctl kill -s STOP systemd-journald", "systemctl kill -s CONT systemd-journald"),
        (f"systemctl stop {units}", "systemctl start systemd-journald.socket systemd-journald.service"),
    ):
        shell.run(ends)
        try:
            for verb in ("reload", "restart", "reload"):
                shell.run(f"systemctl {verb} raab", timeout=60)
                begun = time.monotonic()
                for _ in range(5):
                    assert ask(host, "/much") == "ok"
                assert time.monotonic() - begun < 10
        finally:
            shell.run(comes_back)


def deploy(project: Any, host: LabHost) -> None:
    card = project.root / "src/raab/modules/home/__init__.py"
    card.write_text(card.read_text() + VIEWS)
    project.fab("deploy", "--hosts", host.name)
