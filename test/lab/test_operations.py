"""What operators do on a host, done on a real one under load: no request fails, and each operation does what it says."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import PACKAGES, Content
from raab.drill.traffic.values import Client, Mix

if TYPE_CHECKING:
    from .conftest import Traffic

# Beside short requests those that take seconds: answers that begin late, that come slowly, and bodies that arrive slowly.
LONG = Mix(fresh=25, reused=25, slow=3, streamed=3, uploads=3, slow_seconds=3, stream_seconds=3, upload_seconds=3)
# Ends a worker at a moment when it holds no connection: stopped, looked at, and killed or let go on.
KILL_IDLE = """
for try in $(seq 300); do
    kill -STOP {pid}
    if ! ss -Htnp state established | grep -q "pid={pid},"; then kill -KILL {pid}; exit 0; fi
    kill -CONT {pid}
    sleep 0.01
done
exit 1
"""
# What a worker has loaded, and from where.
MODULES = """
import json, os, sys
_inner = application
def application(environ, start_response):
    if environ["PATH_INFO"] != "/modules":
        return _inner(environ, start_response)
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    body = json.dumps({"pid": os.getpid(), "files": {name: file for name, file in files.items() if file}}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# The packages that the master holds; a release where they differ gets a new master.
MASTERS = ("gunicorn", "handover", "http1", "httptools", "gevent", "greenlet", "zope", "packaging", "msgspec", "yaml", "_yaml")


def test_hup(service: Service, traffic: Traffic) -> None:
    """kill -HUP: new workers of the release that is current by now, under the same master."""
    before = service.status()
    release = service.variant()
    with traffic() as load:
        service.switch(release)
        service.kill("HUP")
        after = service.reloaded(before)
    assert (after.pid, after.release) == (before.pid, release)
    assert not {*after.serving} & {*before.serving}
    assert [label for label, _ in load.account.labels] == [before.release, release]


def test_systemctl_reload(service: Service, traffic: Traffic) -> None:
    """systemctl reload returns 0 when the new generation serves: every connection made after that is the new release's."""
    before = service.status()
    release = service.variant()
    with traffic() as load:
        service.switch(release)
        service.systemctl("reload")
        load.mark("reloaded")
        time.sleep(0.5)
    after = service.status()
    assert (after.pid, after.release) == (before.pid, release)
    fresh = load.account.of(Client.FRESH)
    assert {sample.label for sample in fresh.samples if sample.at > fresh.moment("reloaded")} == {release}


def test_usr2(service: Service, traffic: Traffic) -> None:
    """kill -USR2 replaces the master, and systemd follows it."""
    before = service.status()
    with traffic():
        service.kill("USR2")
        after = service.reloaded(before)
    assert after.pid != before.pid
    assert service.main_pid() == after.pid
    assert service.show("NRestarts") == "0"


def test_a_stop_after_replacements_is_graceful(service: Service, traffic: Traffic) -> None:
    """Each new master is a child of PID 1, though the one before takes in orphans; so systemd waits for it, and kills nobody."""
    for _ in range(3):
        before = service.status()
        with traffic():
            # Workers are asked of the template while the master is replaced.
            service.kill("TTIN")
            service.kill("USR2")
            after = service.reloaded(before)
        assert after.pid != before.pid
        assert service.run(f"cut -d' ' -f4 /proc/{after.pid}/stat").out.strip() == "1"
        service.run("raab scale 2")
    since = time.time()
    service.systemctl("stop")
    told = service.journal(since)
    assert service.show("Result") == "success" and "Deactivated successfully" in told
    assert "SIGKILL" not in told and "not our child" not in service.journal(since - 60)
    service.systemctl("start")


@pytest.mark.parametrize(
    "package",
    [
        "gunicorn/arbiter.py",
        *(pytest.param(file, marks=pytest.mark.prove) for file in ("handover/decision/states.py", "gevent/__init__.py")),
    ],
)
def test_reload_onto_another_server(service: Service, traffic: Traffic, package: str) -> None:
    """A release whose gunicorn, handover or gevent differs needs a new master: systemctl reload sees to that, and nobody has to know."""
    before = service.status()
    release = service.variant(Content(appended=((f"{PACKAGES}/{package}", "# Changed.\n"),)))
    with traffic():
        service.switch(release)
        service.systemctl("reload")
    after = service.status()
    assert after.reload and after.reload.replaced
    assert after.release == release
    assert service.main_pid() == after.pid != before.pid


def test_reload_onto_another_python(service: Service, traffic: Traffic) -> None:
    """So does another interpreter."""
    before = service.status()
    release = service.variant()
    service.run(f"cp --remove-destination /usr/bin/python3 {PATHS.release(release)}/venv/bin/python")
    with traffic():
        service.switch(release)
        service.systemctl("reload")
    after = service.status()
    assert (after.release, after.pid == before.pid) == (release, False)
    assert service.run(f"readlink /proc/{after.pid}/exe").out.strip() == f"{PATHS.release(release)}/venv/bin/python"


def test_ttin_and_ttou(service: Service, traffic: Traffic) -> None:
    """kill -TTIN and -TTOU: a worker more, a worker fewer, the others stay."""
    before = service.status()
    with traffic():
        service.kill("TTIN")
        more = service.wait("three", lambda now: now.settled and now.target == 3)
        service.kill("TTOU")
        fewer = service.wait("two", lambda now: now.settled and now.target == 2)
    assert {*before.serving} < {*more.serving}
    assert {*fewer.serving} < {*more.serving}


def test_scale_to_eight_and_back(service: Service, traffic: Traffic) -> None:
    """raab scale returns when as many serve as were asked for, and prints the number of before and of after."""
    with traffic():
        up = service.run("raab scale 8")
        assert len(service.status().serving) == 8
        down = service.run("raab scale 2")
        assert len(service.status().serving) == 2
    assert (up.out, down.out) == ("workers: 2 -> 8\n", "workers: 8 -> 2\n")


def test_restart(service: Service, traffic: Traffic) -> None:
    """systemctl restart: connections wait at the socket that systemd keeps, none is refused."""
    before = service.status()
    with traffic():
        service.systemctl("restart")
        after = service.status()
    assert after.pid != before.pid
    assert after.settled


def test_an_idle_worker_is_killed(service: Service, traffic: Traffic) -> None:
    """kill -KILL of a worker that serves nobody: replaced, and nobody notices."""
    with traffic():
        service.run("raab scale 3")
        before = service.status()
        # The youngest one: the kept connections are older than it is.
        victim = before.serving[-1]
        service.run(KILL_IDLE.format(pid=victim))
        after = service.wait("three again", lambda now: now.settled and victim not in now.serving)
    assert {*before.serving} - {victim} < {*after.serving}


def test_twenty_hups_within_a_second(service: Service, traffic: Traffic) -> None:
    """However often it is asked for, a reload ends, and so do the others: at last the newest release serves, from few generations."""
    before = service.status()
    release = service.variant()
    with traffic():
        service.switch(release)
        service.run(f"for n in $(seq 20); do kill -HUP {before.pid}; sleep 0.04; done")
        after = service.reloaded(before)
        time.sleep(1)
        after = service.wait("quiet", lambda now: now.settled)
    assert (after.pid, after.release) == (before.pid, release)
    assert after.generation < before.generation + 20


@pytest.mark.parametrize("operation", ["kill -HUP", "systemctl reload", "kill -USR2", "systemctl restart", "raab scale"])
def test_during_long_requests(service: Service, traffic: Traffic, operation: str) -> None:
    """Requests of 3 s, streamed answers and slow uploads that are under way are finished by those who began them."""
    before = service.status()
    with traffic(LONG, settle=2) as load:
        if operation == "raab scale":
            service.run("raab scale 4; raab scale 1; raab scale 2")
        elif operation.startswith("kill"):
            service.kill(operation.removeprefix("kill -"))
            service.reloaded(before)
        else:
            service.systemctl(operation.removeprefix("systemctl "))
        load.mark("done")
    account = load.account
    across = [s for s in account.of(Client.SLOW, Client.STREAMED, Client.UPLOAD).samples if s.at < account.moment("done") < s.at + s.took]
    assert operation == "systemctl restart" or len(across) > 10


def test_one_by_one(service: Service, traffic: Traffic) -> None:
    """handover: one-by-one never has more than one worker beyond the target, and loses nothing either."""
    service.settings("production: {server: {handover: one-by-one, workers: 3, linger: 1}}\n")
    service.systemctl("reload")
    before = service.wait("three", lambda now: now.settled and now.target == 3 == len(now.workers))
    with traffic():
        reload = "systemctl reload raab & n=0; while kill -0 $! 2>/dev/null; do pgrep -c -x -P {pid} gunicorn; sleep 0.03; done; wait $!"
        counts = service.run(reload.format(pid=before.pid)).out.split()
        after = service.reloaded(before)
    assert not {*after.serving} & {*before.serving}
    assert max(map(int, counts)) == 4


def loaded(service: Service) -> dict[int, dict[str, str]]:
    """What each serving worker has loaded, by its pid."""
    workers = {*service.status().serving}
    found: dict[int, dict[str, str]] = {}
    while {*found} != workers:
        with urllib.request.urlopen("http://{}:{}/modules".format(*service.address), timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
        found[told["pid"]] = told["files"]
        found = {pid: files for pid, files in found.items() if pid in workers}
    return found


def test_no_worker_holds_a_module_of_the_old_release(service: Service, traffic: Traffic) -> None:
    """After a HUP all of the application is the new release's; only what the master itself holds is older, and that is the same."""
    service.switch(service.variant(Content(after=MODULES)))
    service.systemctl("restart")
    before = service.status()
    release = service.variant(Content(after=MODULES))
    with traffic():
        service.switch(release)
        service.kill("HUP")
        service.reloaded(before)
        workers = loaded(service)
    new, link = f"{PATHS.release(release)}/", f"{service.run(f'echo {PATHS.current}/{PACKAGES}').out.strip()}/"
    for files in workers.values():
        for name in ("wsgi", "raab", "raab.factory.configFactory", "raab.modules.home", "flask"):
            assert files[name].startswith(new), f"{name} {files[name]}"
        ours = {file for file in files.values() if file.startswith(f"{PATHS.root}/")}
        others = {file for file in ours if not file.startswith(new) and file.removeprefix(link).split("/")[0] not in MASTERS}
        # gunicorn's script and its configuration are the master's, too.
        assert others <= {f"{PATHS.current}/venv/bin/gunicorn", f"{PATHS.current}/gunicorn.py"}


def test_five_masters_in_a_row_then_the_last_is_killed(service: Service, traffic: Traffic) -> None:
    """systemd follows each replacement, and restarts the last when it is killed; no connection is refused."""
    masters = [service.status()]
    with traffic():
        for _ in range(5):
            service.kill("USR2", masters[-1].pid)
            masters.append(service.reloaded(masters[-1]))
            assert service.main_pid() == masters[-1].pid
        service.kill("KILL", masters[-1].pid)
        last = service.wait("up again", lambda now: now.settled and now.pid != masters[-1].pid)
        assert service.main_pid() == last.pid
    assert len({status.pid for status in [*masters, last]}) == 7
