"""Workers that are forks of one process, which has loaded the application: each has what must be its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SLOW = "import gevent\ndef application(environ, start_response):\n    gevent.sleep(30)\n"
# As a template does it, gevent's patches first. Both forks live at the same time, and leave as a killed worker does.
FORKED = """
from gevent import monkey
monkey.patch_all()
import gevent, json, logging, os, random, runpy, socket, sys, time, uuid
from handover.workers import sharing
from handover.workers.check import check
from http1 import Connection, Limits, Site
seen = sharing.look()
application = runpy.run_path(sys.argv[1])["application"]
why = sharing.unsafe(seen)
site = Site(application, logging.getLogger(), lambda: None, lambda: None, lambda: False, lambda refusal: None, 15.0, 75.0, True, Limits())

def serve(client):
    Connection(site, client, ("127.0.0.1", 80), ("192.0.2.1", 1)).serve()
    client.close()

def ask(path):
    client, served = socket.socketpair()
    gevent.spawn(serve, served)
    client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
    head, _, text = b"".join(iter(lambda: client.recv(65536), b"")).decode().partition("\\r\\n\\r\\n")
    names = dict(line.split(": ", 1) for line in head.split("\\r\\n")[1:])
    return head.split()[1], names["X-Request-ID"], text

# What a reload asks before it goes on: in a fork, or in a worker.
check(application, "/readyz")
told = []
pipes = [os.pipe() for _ in range(2)]
for _, end in pipes:
    if os.fork() == 0:
        ids = [ask("/")[1] for _ in range(3)]
        slow = ask("/slow")[0]
        # The access log's writer has written by then, or never does.
        time.sleep(0.5)
        values = {"ids": ids, "slow": slow, "random": random.random(), "uuid": str(uuid.uuid4()), "slots": sorted(os.listdir("metrics"))}
        os.write(end, json.dumps(values).encode())
        time.sleep(5)
        os._exit(0)
told = [json.loads(os.read(end, 10000)) for end, _ in pipes]
print(json.dumps({"why": why, "told": told, "threads": len(os.listdir("/proc/self/task"))}), flush=True)
os.killpg(0, 9)
"""


def test_forks_of_a_loaded_application_differ(tmp_path: Path) -> None:
    """As shipped, logging, metrics and admin pages included, it can be shared; ids, randomness, metrics, log and time limit are each
    worker's own, though the application has been asked whether it is ready before the forks."""
    (tmp_path / "slow.py").write_text(SLOW)
    environ = {
        "RAAB_ENVIRONMENT": "production",
        "RAAB_LIMITS__REQUEST": "1",
        "RAAB_PROJECT__MOUNTS": "{/slow: 'slow:application'}",
        "RUNTIME_DIRECTORY": str(tmp_path),
        "ADMIN_LISTENERS": f"unix:{tmp_path}/admin",
        "PYTHONPATH": str(tmp_path),
    }
    command = [sys.executable, "-c", FORKED, str(ROOT / "wsgi.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environ, cwd=tmp_path, timeout=60, start_new_session=True
    )
    assert done.returncode == -9, done.stderr
    found = json.loads(done.stdout)
    assert found["why"] == ""
    one, other = found["told"]
    assert not set(one["ids"]) & set(other["ids"]) and len({*one["ids"], *other["ids"]}) == 6
    assert one["random"] != other["random"] and one["uuid"] != other["uuid"]
    assert one["slow"] == other["slow"] == "503"
    assert {*one["slots"], *other["slots"]} == {"0.names", "0.slot", "1.names", "1.slot"}
    lines = [json.loads(line[3:]) for line in done.stderr.splitlines() if "raab.access" in line]
    assert sorted(line["request"] for line in lines if line["path"] == "/") == sorted([*one["ids"], *other["ids"]])
