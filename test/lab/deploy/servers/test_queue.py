"""A real queue: redis as Debian has it, a Flask project with rq. Whatever is done to the service, the effect of each job comes once."""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
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
    time.sleep(0.02)
    redis.hincrby("effects", number, 1)
    redis.hincrby("versions", VERSION, 1)
""",
    # rq's own leaves behind what it has just taken when it is told to end.
    "shop/worker.py": (ROOT / "docs/processes.md").read_text().partition("```python\n")[2].partition("```")[0],
}
BESIDE = """
processes:
  worker: {command: rq worker --worker-class shop.worker.Patient, count: 2, stop: {seconds: 60}, settle: 0, ready: Listening on}
"""


@pytest.fixture
def shop(make_shop: Callable[[int], Any], packages: Any) -> Any:
    made = make_shop(1)
    packages.redis(made.shell)
    made.write(**FILES)
    made.raab("init", "--python", sys.executable)
    made.add("deploy/config.yaml", BESIDE)
    made.fab("deploy")
    return made


class Orders:
    """Orders jobs by the web, so many each tenth of a second, from here on until it is closed; not while a thousand wait."""

    def __init__(self, shop: Any, each: int) -> None:
        self.address, self.each, self.count, self.failed = shop.hosts[0].address, each, 0, ""
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


def once(shop: Any, orders: Orders, versions: set[str]) -> None:
    """The effect of each has come, once, by these versions' code, and the queue is empty."""
    orders.close()
    assert not orders.failed
    end = time.monotonic() + 200
    while any(shop.redis(*QUEUE[name]) for name in ("queued", "begun")) and time.monotonic() < end:
        time.sleep(0.2)
    left = {name: shop.redis(*words) for name, words in QUEUE.items()}
    assert not any(left.values()), left
    effects = shop.redis("hvals", "effects")
    assert len(effects) == orders.count and set(effects) == {"1"}
    told = shop.redis("hgetall", "versions")
    assert set(told[::2]) == versions and sum(map(int, told[1::2])) == orders.count


# Where rq has jobs that are not done.
QUEUE = {
    "queued": ("lrange", "rq:queue:default", "0", "-1"),
    "taken": ("lrange", "rq:queue:default:intermediate", "0", "-1"),
    "begun": ("zrange", "rq:wip:default", "0", "-1"),
    "failed": ("zrange", "rq:failed:default", "0", "-1"),
}


def test_each_job_s_effect_comes_once_over_a_deploy(shop: Any) -> None:
    """A worker has a process for each job, which is not told to end with it."""
    orders = Orders(shop, 4)
    with shop.load() as load:
        shop.edit("shop/jobs.py", '"one"', '"two"')
        shop.fab("deploy")
    once(shop, orders, {"one", "two"})
    assert orders.count >= 40 and not load.account.failures, load.account.line()


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_each_job_s_effect_comes_once_over_all_that_is_done(shop: Any) -> None:
    """5,000 of them, over a deploy, more workers, a release whose workers do not live, and a rollback, while orders come in. No request of
    the web is lost."""
    orders = Orders(shop, 40)
    with shop.load() as load:
        shop.edit("shop/jobs.py", '"one"', '"two"')
        shop.fab("deploy")
        shop.fab("scale", "worker=3")
        shop.edit("deploy/config.yaml", "rq worker", "rq worker --url redis://127.0.0.1:1/")
        assert "process worker-" in shop.fab("deploy", expect=4)
        shop.fab("rollback")
        end = time.monotonic() + 300
        while orders.count < 5000 and not orders.failed and time.monotonic() < end:
            time.sleep(0.1)
        orders.close()
    assert orders.count >= 5000
    assert not load.account.failures, load.account.line()
    once(shop, orders, {"one", "two"})
    assert shop.fab("status").count("worker-") == 3


@pytest.mark.prove
def test_of_a_killed_worker_each_job_is_named(shop: Any) -> None:
    """It cannot be known whether its effect came; another worker takes its place at once."""
    shop.edit("shop/jobs.py", "time.sleep(0.02)", "time.sleep(2 if number == 7 else 0.02)")
    shop.fab("deploy")
    orders = Orders(shop, 10)
    while "order-7" not in "".join(shop.redis(*QUEUE["begun"])):
        assert not orders.failed
    shop.shell.run("systemctl kill --kill-whom=all --signal=KILL shop@worker-1 shop@worker-2")
    orders.close()
    end = time.monotonic() + 60
    while shop.redis(*QUEUE["queued"]) and time.monotonic() < end:
        time.sleep(0.2)
    lost = {str(number) for number in range(orders.count)} - set(shop.redis("hkeys", "effects"))
    named = {word.partition("order-")[2].partition(":")[0] for name in QUEUE for word in shop.redis(*QUEUE[name])}
    assert "7" in lost and lost <= named
    assert set(shop.redis("hvals", "effects")) == {"1"}
