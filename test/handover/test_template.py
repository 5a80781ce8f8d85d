"""What workers share and what they do not, by a real master on this machine: templates that load, fork, fail, hang and end."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from handover.process import parent_of
from raab.drill.traffic.load import Load

if TYPE_CHECKING:
    from .conftest import Master

# An application that notes who loaded it and what becomes of what it started meanwhile; {note} is the file.
NOTES = """
import os, random
from gevent import spawn_later
from raab.drill.traffic.routes import card, with_drill_routes

def note(word):
    with open("{note}", "a") as file:
        file.write(f"{word} {os.getpid()} {random.random()}\\n")

note("loaded")
spawn_later(0.3, note, "greenlet")
os.register_at_fork(after_in_child=lambda: note("forked"))
kept = []

def asked(environ, start_response):
    kept.append(open("/dev/zero"))
    return card(environ, start_response)

application = with_drill_routes(asked, release="{release}")
"""


def notes(master: Master, word: str) -> list[tuple[int, str]]:
    """The pids and random numbers that the application noted with a word."""
    lines = [line.split() for line in (master.home / "note").read_text().splitlines()]
    return [(int(pid), number) for noted, pid, number in lines if noted == word]


def workers(master: Master) -> set[int]:
    return {worker["pid"] for worker in master.status()["workers"] if worker["phase"] == "serving"}


def template(master: Master) -> int:
    """The template that can be asked, once there is one and no other."""
    master.wait(lambda: [one["ready"] for one in master.status()["templates"]] == [True])
    pid = master.status()["templates"][0]["pid"]
    assert isinstance(pid, int)
    return pid


def kill(pids: set[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_generation_is_loaded_once_and_asked_in_a_process_of_its_own(master: Master) -> None:
    """By a template that is no worker; what the answer opened is not in it, nor in its workers, which are the master's children."""
    master.release("2", NOTES.replace("{note}", f"{master.home}/note"))
    master.switch("2")
    assert master.ask(verb="reload")["good"] and master.ask(verb="scale", to=4)["after"] == 4
    assert [pid for pid, _ in notes(master, "loaded")] == [template(master)]
    here = {*workers(master), template(master)}
    assert {parent_of(pid) for pid in here} == {master.process.pid}
    assert not [pid for pid in here if "/dev/zero" in {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}]


def test_what_an_application_starts_lives_in_each_worker(master: Master) -> None:
    """What is to run later runs there and not in the template, functions for forks are called, random numbers differ."""
    master.release("2", NOTES.replace("{note}", f"{master.home}/note"))
    master.switch("2")
    assert master.ask(verb="reload")["good"]
    here = workers(master)
    master.wait(lambda: here <= {pid for pid, _ in notes(master, "greenlet")})
    assert template(master) not in {pid for pid, _ in notes(master, "greenlet")}
    assert here <= {pid for pid, _ in notes(master, "forked")}
    numbers = [number for pid, number in notes(master, "greenlet") if pid in here]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_template_that_ends_or_hangs_is_made_anew(master: Master, blow: signal.Signals) -> None:
    """From the release that its generation has loaded, wherever the link leads by now; no request notices, and who scales is served."""
    master.release("2", "raise RuntimeError('not this one')", "raise RuntimeError('nor these settings')")
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        for number in range(2):
            before = template(master)
            master.switch("2")
            os.kill(before, blow)
            assert master.ask(verb="scale", by=1)["after"] == 3 + number
            assert template(master) != before
    assert not load.account.failures, load.account.line()
    assert {release for release, _ in load.account.labels} == {"1"}
    # And it is asked when somebody dies.
    victim = min(workers(master))
    kill({victim})
    master.wait(lambda: len(workers(master) - {victim}) == 4)


def test_all_workers_may_die_at_once(master: Master) -> None:
    """Others are there at once, of the same template, as often as it happens."""
    before = template(master)
    for _ in range(3):
        dead = workers(master)
        kill(dead)
        master.wait(lambda dead=dead: len(workers(master) - dead) == 2)
    assert template(master) == before


UNSAFE = [
    ("connection", "import socket; kept = socket.create_connection(('127.0.0.1', {port}))", "it opened a connection to 127.0.0.1:"),
    ("thread", "from gevent.monkey import get_original as real; real('_thread', 'start_new_thread')(real('time', 'sleep'), (3600,))",
     "it started 1 native thread"),
    ("greenlet", "import gevent; gevent.spawn(id, 1).join()", "a greenlet or thread ran"),
    ("timer", "import threading; kept = threading.Timer(60, id); kept.daemon = True; kept.start()", "a greenlet or thread ran"),
    ("process", "import subprocess; kept = subprocess.Popen(['sleep', '5'])", "it started a process"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "why"), UNSAFE, ids=[name for name, _, _ in UNSAFE])
def test_what_is_not_safe_to_share_is_loaded_by_each(master: Master, name: str, code: str, why: str) -> None:
    """The service serves, says why, and a worker that dies is replaced by one that loads by itself; a repaired release is shared again."""
    master.release("2", code.replace("{port}", str(master.port)) + "\n" + master.wsgi)
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        master.switch("2")
        assert master.ask(verb="reload")["good"]
        told = master.status()
        assert told["load"]["mode"] == "each" and told["load"]["why"].startswith(why) and told["templates"] == []
        assert f"each worker loads the application by itself: {why}" in (master.home / "log").read_text()
        assert master.ask(verb="scale", to=3)["after"] == 3
    assert not load.account.failures, load.account.line()
    master.release("1")
    master.switch("1")
    assert master.ask(verb="reload")["good"] and master.status()["load"] == {"mode": "shared", "why": ""}


def test_sharing_can_be_switched_off(start: Callable[..., Master]) -> None:
    """By the settings, and on again."""
    master = start(shared=False)
    assert master.status()["load"] == {"mode": "each", "why": "server.load says so"} and not master.status()["templates"]
    master.release("1", shared=True)
    assert master.ask(verb="reload")["good"] and template(master)


def test_who_prepares_does_so_before_anything_is_loaded(tmp_path: Path, start: Callable[..., Master]) -> None:
    """Once a template, and once each worker that loads by itself."""
    prepare = "lambda: open('{prepared}', 'a').write(f'{__import__(\"gevent.monkey\").monkey.is_module_patched(\"socket\")}\\n')"
    for shared, expected in ((True, 1), (False, 2)):
        master = start(shared=shared, prepare=prepare.replace("{prepared}", str(tmp_path / "prepared")))
        assert (master.home / "prepared").read_text().splitlines() == ["True"] * expected
        master.stop()
        (master.home / "prepared").unlink()


def test_orphans_are_taken_in_and_reaped(master: Master) -> None:
    """What an application leaves behind when it ends is no zombie for ever, and no worker."""
    leaves = "import os, time\nif os.fork() == 0:\n    if os.fork() == 0:\n        time.sleep(1)\n    os._exit(0)\nos.wait()\n"
    master.release("2", master.wsgi.replace("application = ", leaves + "application = "))
    master.switch("2")
    assert master.ask(verb="reload")["good"]
    children = Path(f"/proc/{master.process.pid}/task/{master.process.pid}/children")
    told = master.status
    master.wait(lambda: {one["pid"] for one in (*told()["workers"], *told()["templates"])} == set(map(int, children.read_text().split())))
    assert len(workers(master)) == 2


def test_nothing_is_left_when_the_master_is_killed(master: Master) -> None:
    """Workers finish and leave, and a template does not stay for nobody."""
    here: set[Any] = {*workers(master), template(master)}
    os.kill(master.process.pid, signal.SIGKILL)
    master.wait(lambda: not [pid for pid in here if Path(f"/proc/{pid}/exe").exists()])


def test_a_new_master_is_nobody_s_child(master: Master) -> None:
    """systemd kills at once what is not its own, when it stops a service; and a worker that was just asked for stays with its master."""
    for _ in range(3):
        before = master.status()["pid"]
        for _ in range(4):
            os.kill(before, signal.SIGTTIN)
            time.sleep(0.01)
        os.kill(before, signal.SIGUSR2)
        master.wait(lambda before=before: master.status()["pid"] != before)
        after = master.status()["pid"]
        assert parent_of(after) == parent_of(master.process.pid) or parent_of(after) == 1
        master.wait(lambda: {parent_of(pid) for pid in workers(master)} == {master.status()["pid"]})
        assert master.ask(verb="scale", to=2)["after"] == 2
    with urllib.request.urlopen(f"http://127.0.0.1:{master.port}/slow?seconds=0") as answer:
        assert answer.status == 200
