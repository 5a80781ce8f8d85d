"""A real queue: redis as Debian has it, a Flask project with rq. Whatever is done to the service, the effect of each job comes once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

BIN = Path(sys.executable).parent
DEBIAN = ("redis-server", "redis-tools", "libjemalloc2", "liblua5.1-0", "liblzf1", "lua-cjson", "lua-bitop", "libatomic1", "adduser")
FILES = {
    "requirements.txt": "flask==3.1.3\nrq==2.12.0\nredis==8.1.0\n",
    "shop/__init__.py": """
from flask import Flask
from redis import Redis
from rq import Queue

from shop import jobs

app = Flask("shop")
queue = Queue(connection=Redis())


@app.get("/")
def home():
    return jobs.VERSION


@app.post("/orders/<int:first>/<int:count>")
def order(first, count):
    numbers = range(first, first + count)
    queue.enqueue_many([Queue.prepare_data(jobs.charge, (one,), job_id=f"order-{one}", result_ttl=0) for one in numbers])
    return str(len(queue))
""",
    "shop/jobs.py": """
import time

from redis import Redis

VERSION = "one"
redis = Redis()


def charge(number):
    time.sleep(0.005)
    redis.hincrby("effects", number, 1)
    redis.hincrby("versions", VERSION, 1)
""",
}
BESIDE = """
processes:
  worker: {command: rq worker --worker-class rq.worker.SimpleWorker, count: 2, stop: {seconds: 60}, settle: 0, ready: Listening on}
"""


class Shop:
    """The project and its host."""

    def __init__(self, root: Path, lab: str, host: LabHost, shell: Shell) -> None:
        self.root, self.lab, self.host, self.shell = root, lab, host, shell

    def run(self, *words: str, expect: int = 0) -> str:
        environ = {**os.environ, "RAAB_LAB": self.lab, "PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent)}
        done = subprocess.run(words, cwd=self.root, env=environ, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fab(self, *words: str, expect: int = 0) -> str:
        return self.run(str(BIN / "fab"), *words, "--hosts", self.host.name, expect=expect)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        (self.root / name).write_text(text.replace(old, new))
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", new)

    def redis(self, *words: str) -> list[str]:
        return self.shell.run(f"redis-cli {' '.join(words)}").out.split()


@pytest.fixture
def shop(lab: Any, tmp_path: Path) -> Shop:
    host = lab.fresh()
    made = Shop(tmp_path / "shop", lab.lab.name, host, lab.shell(host))
    for name, text in FILES.items():
        (made.root / name).parent.mkdir(parents=True, exist_ok=True)
        (made.root / name).write_text(text)
    install(made.shell, tmp_path)
    made.run("git", "init", "-q")
    made.run(str(BIN / "raab"), "init", "--python", sys.executable)
    config = made.root / "deploy/config.yaml"
    config.write_text(config.read_text() + BESIDE)
    made.run("git", "add", "-A")
    made.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one")
    made.fab("deploy")
    return made


def install(shell: Shell, folder: Path) -> None:
    """redis on the host, which has no way to a mirror."""
    packages = folder / "debian"
    packages.mkdir()
    subprocess.run(("apt-get", "download", "-q", *DEBIAN), cwd=packages, check=True, capture_output=True, timeout=120)
    for file in packages.glob("*.deb"):
        shell.run(f"cat >/tmp/{file.name}", stdin=file.read_bytes())
    shell.run("DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/*.deb && systemctl is-active redis-server", timeout=120)


class Orders:
    """Orders jobs by the web, so many each tenth of a second, from here on until it is closed; not while a thousand wait."""

    def __init__(self, shop: Shop, each: int) -> None:
        self.address, self.each, self.count, self.failed = shop.host.address, each, 0, ""
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.order)
        self.thread.start()

    def order(self) -> None:
        waiting = 0
        while not self.ending.wait(0.1):
            each = 0 if waiting > 1000 else self.each
            request = urllib.request.Request(f"http://{self.address}:8000/orders/{self.count}/{each}", b"", method="POST")
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    waiting = int(answer.read())
            except OSError as error:
                self.failed = str(error)
                return
            self.count += each

    def close(self) -> None:
        self.ending.set()
        self.thread.join()


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("least", "each"), [(300, 5), (5000, 40)])
def test_each_job_s_effect_comes_once(shop: Shop, least: int, each: int) -> None:
    """Over a deploy, more workers, a release whose workers do not live, and a rollback, while orders come in. No request of the web is
    lost."""
    orders = Orders(shop, each)
    with Load([(shop.host.address, 8000)], Mix(fresh=20, reused=20)) as load:
        shop.edit("shop/jobs.py", '"one"', '"two"')
        shop.fab("deploy")
        shop.fab("scale", "worker=3")
        shop.edit("deploy/config.yaml", "rq worker", "rq worker --url redis://127.0.0.1:1/")
        assert "process worker-" in shop.fab("deploy", expect=4)
        shop.fab("rollback")
        end = time.monotonic() + 200
        while orders.count < least and not orders.failed and time.monotonic() < end:
            time.sleep(0.1)
        orders.close()
    assert not orders.failed and orders.count >= least
    assert not load.account.failures, load.account.line()
    end = time.monotonic() + 200
    while len(effects := shop.redis("hvals", "effects")) < orders.count and time.monotonic() < end:
        time.sleep(0.2)
    assert len(effects) == orders.count and set(effects) == {"1"}
    assert shop.redis("zcard", "rq:failed:default") == shop.redis("zcard", "rq:wip:default") == ["0"]
    versions = shop.redis("hgetall", "versions")
    assert set(versions[::2]) == {"one", "two"} and sum(map(int, versions[1::2])) == orders.count
    status = shop.fab("status")
    assert status.count("worker-") == 3


@pytest.mark.prove
def test_of_a_killed_worker_each_job_is_named(shop: Shop) -> None:
    """It cannot be known whether its effect came; another worker takes its place at once."""
    shop.edit("shop/jobs.py", "time.sleep(0.005)", "time.sleep(1 if number == 7 else 0.005)")
    shop.fab("deploy")
    orders = Orders(shop, 10)
    while "order-7" not in (running := "".join(shop.redis("zrange", "rq:wip:default", "0", "-1"))):
        assert not orders.failed
    shop.shell.run("kill -9 $(systemctl show --property=MainPID --value shop@worker-1 shop@worker-2)")
    orders.close()
    end = time.monotonic() + 60
    while len(effects := set(shop.redis("hkeys", "effects"))) < orders.count - running.count("order-") and time.monotonic() < end:
        time.sleep(0.2)
    lost = {str(number) for number in range(orders.count)} - effects
    assert "7" in lost
    named = {word.partition("order-")[2].partition(":")[0] for word in shop.redis("zrange", "rq:wip:default", "0", "-1")}
    assert lost <= named
