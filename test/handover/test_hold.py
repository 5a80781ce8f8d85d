"""A release that is loaded before the link leads to it, by a real master on this machine."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from raab.drill.traffic.load import Load

if TYPE_CHECKING:
    from .conftest import Master


def held(master: Master, name: str) -> tuple[socket.socket, dict[str, Any]]:
    """Asks for a release to be held; the conversation, and the first word of the master."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.settimeout(20)
    channel.connect(f"{master.home}/control")
    channel.send(json.dumps({"verb": "hold", "release": name}).encode())
    return channel, json.loads(channel.recv(1 << 20))


def answering(master: Master) -> set[str]:
    """The releases that answer thirty requests."""
    found = set()
    for _ in range(30):
        with urllib.request.urlopen(f"http://127.0.0.1:{master.port}/slow?seconds=0") as answer:
            found.add(answer.headers["Raab-Release"])
    return found


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_held_release_serves_when_the_link_leads_to_it(start: Callable[..., Master], one_by_one: bool, shared: bool) -> None:
    """And not before, though it is loaded; nobody loses a request. Who asked for it may go without a word."""
    master = start(one_by_one=one_by_one, shared=shared)
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        for name in ("2", "3"):
            master.release(name, one_by_one=one_by_one, shared=shared)
            before = answering(master)
            channel, word = held(master, name)
            with channel:
                assert word["held"] and word["bind"] == [f"127.0.0.1:{master.port}"] and word["load_timeout"] == 10
                assert answering(master) == before
                master.switch(name)
                if name == "2":
                    channel.send(b'{"verb": "switched"}')
                    assert json.loads(channel.recv(1 << 20))["good"]
            master.wait(lambda: answering(master) == {name})  # noqa: B023
    assert load.account.total > 30 and not load.account.failures


def test_a_held_release_is_dropped_when_the_link_does_not_move(master: Master) -> None:
    """By a client that goes, by one that says so, and by one that says nothing for as long as a release may take to load."""
    master.release("2")
    for how in ("goes", "says", "waits"):
        channel, word = held(master, "2")
        assert word["held"]
        if how == "goes":
            channel.close()
        if how == "says":
            channel.send(b'{"verb": "switched"}')
        if how != "goes":
            assert "did not become the current one" in json.loads(channel.recv(1 << 20))["reason"]
        master.wait(lambda: [worker["phase"] for worker in master.status()["workers"]] == ["serving"] * 2)
        assert answering(master) == {"1"} and master.status()["generation"] == 1
        channel.close()


@pytest.mark.parametrize("unsafe", ["", "kept = open('/etc/passwd')\n"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_release_that_does_not_load_or_answer_is_never_held(start: Callable[..., Master], shared: bool, unsafe: str) -> None:
    """Whoever loads it in the end: its template tries it."""
    master = start(shared=shared)
    silent = "def application(environ, start_response):\n    start_response('503 No', [])\n    return [b'no database']\n"
    for name, code, why in (("2", "raise OSError('no disk')", "OSError: no disk"), ("3", silent, "no database")):
        master.release(name, wsgi=unsafe + code, shared=shared)
        channel, word = held(master, name)
        channel.close()
        assert not word["good"] and why in word["reason"]
    assert answering(master) == {"1"}


def test_what_workers_cannot_try_is_not_held(master: Master) -> None:
    """Another program of settings, or what only a new master takes up; and only who has a release held decides on it."""
    master.release("2", keepalive=74)
    channel, word = held(master, "2")
    channel.close()
    assert word == {"held": False, "reason": "gunicorn.py"}
    master.release("3", wsgi="raise OSError('no database')")
    channel, word = held(master, "3")
    channel.close()
    assert not word["good"] and "OSError: no database" in word["reason"]
    master.release("4")
    channel, word = held(master, "4")
    with channel:
        assert word["held"]
        assert held(master, "4")[1] == {"held": False, "reason": "a reload is under way"}
        assert "nothing is held for this client" in master.ask(verb="switched")["error"]
        assert "unknown request" in master.ask(verb="hold", release="../4")["error"]
    assert answering(master) == {"1"}
