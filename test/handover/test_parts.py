"""The small decisions of the hand-over, each by itself."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handover.decision.request import Request, parse
from handover.outside.predecessor import predecessor
from handover.outside.sockets import covers, spread, stored_name
from handover.outside.successor import CHANNEL, SPEAKS
from handover.process import exit_status, parent_of
from handover.settings import fingerprint, target
from handover.settings.apart import apart
from handover.settings.pin import pinned
from handover.workers.board import Board, Tally


def test_a_saved_target_is_kept() -> None:
    """Whatever ended the master, the number that somebody scaled to is wanted again."""
    assert target.restore('{"configured": 2, "workers": 5}', 2, 1, 8) == 5


def test_a_changed_setting_wins_over_an_older_target() -> None:
    """Somebody edited `workers` after the scaling."""
    assert target.restore('{"configured": 2, "workers": 5}', 3, 1, 8) == 3


def test_a_target_is_held_to_the_bounds() -> None:
    """The bounds may have been changed meanwhile."""
    assert target.restore('{"configured": 2, "workers": 50}', 2, 1, 8) == 8


@given(st.one_of(st.none(), st.text(), st.from_regex(r"[\[\]{}\":,0-9a-z]*")))
def test_a_file_that_is_not_ours_counts_as_none(saved: str | None) -> None:
    """Nothing that may stand in the file keeps the master from starting."""
    assert 1 <= target.restore(saved, 2, 1, 8) <= 8


def test_a_target_survives_being_written(tmp_path: Path) -> None:
    """What was saved is what is loaded; nothing but the file itself is left."""
    path = str(tmp_path / "workers.json")
    target.save(path, 2, 7)
    assert target.restore(target.load(path, pytest.fail), 2, 1, 8) == 7
    assert [file.name for file in tmp_path.iterdir()] == ["workers.json"]
    assert target.load(None, pytest.fail) is None and target.load(path + ".not", pytest.fail) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "link", "dangling", "endless", "folder", "huge", "binary"])
def test_a_start_neither_waits_for_what_lies_there_nor_follows_it(tmp_path: Path, kind: str) -> None:
    """The service's user may write there, and so may whoever has taken a worker over. The start complains in a line and goes on."""
    path = tmp_path / "workers.json"
    (tmp_path / "elsewhere").write_text('{"configured": 2, "workers": 7}')
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("elsewhere"),
        "dangling": lambda: path.symlink_to("nowhere"),
        "endless": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "huge": lambda: path.write_bytes(b" " * 1_000_000),
        "binary": lambda: path.write_bytes(b"\xff\xfe"),
    }
    make[kind]()
    complaints: list[str] = []
    assert target.load(str(path), complaints.append) is None
    assert len(complaints) == 1 and str(path) in complaints[0]


@pytest.mark.timeout(20)
def test_a_target_is_written_past_a_fifo_and_not_through_a_link(tmp_path: Path) -> None:
    """Of the name that it is written under first."""
    path, part = tmp_path / "workers.json", tmp_path / "workers.json.part"
    for make in (os.mkfifo, lambda part: part.symlink_to(tmp_path / "elsewhere")):
        make(part)
        target.save(str(path), 2, 7)
        assert target.restore(target.load(str(path), pytest.fail), 2, 1, 8) == 7
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/opt/raab/current", "/r/1"),
        ("/opt/raab/current/venv/lib", "/r/1/venv/lib"),
        ("/opt/raab/currently", "/opt/raab/currently"),
        ("/usr/lib/python3", "/usr/lib/python3"),
    ],
)
def test_only_paths_through_the_link_are_pinned(path: str, expected: str) -> None:
    """A path that merely begins with the same letters is another one."""
    assert pinned(path, "/opt/raab/current", "/r/1") == expected


PINNED = """
import multiprocessing.spawn as spawn, os, sys
from handover.settings.pin import pin
sys.executable, sys.prefix, sys.exec_prefix = "/r/current/venv/bin/python", "/r/current/venv", "/r/current/venv"
spawn.set_executable(sys.executable)
sys.modules["__main__"].__file__ = "/r/current/venv/bin/gunicorn"
pin("/r/current", "/r/1")
print(sys.executable, sys.prefix, sys.exec_prefix, os.fsdecode(spawn.get_executable()), sys.modules["__main__"].__file__)
"""


def test_what_a_worker_starts_is_of_its_own_release() -> None:
    """A retiring one may start a process when the link has moved on."""
    said = subprocess.run([sys.executable, "-c", PINNED], capture_output=True, text=True, check=True, cwd="/").stdout
    python = "/r/1/venv/bin/python"
    assert said.split() == [python, "/r/1/venv", "/r/1/venv", python, "/r/1/venv/bin/gunicorn"]


def test_differences_are_told_by_package() -> None:
    """What changed is named for people; what the master has loaded since does not count."""
    site = "/v/lib/python3.11/site-packages"
    before = {f"{site}/gevent/hub.py": "1", f"{site}/gevent/core.py": "1", f"{site}/six.py": "1", "python": "/usr/bin/python3 1"}
    now = {f"{site}/gevent/hub.py": "2", f"{site}/gevent/core.py": "2", f"{site}/six.py": "1", "python": "/usr/bin/python3 2"}
    assert fingerprint.differences(before, now) == ("gevent", "python")
    assert fingerprint.differences(before, {**before, f"{site}/new.py": "1"}) == ()
    assert fingerprint.differences(before, {}) == ("gevent", "python", "six.py")


def test_a_release_without_its_server_is_noticed() -> None:
    """A package may come and go; those that every master needs may not, but for all of them, as another version of Python has it."""
    site = "/v/lib/python3.11/site-packages"
    needed = ("gevent", "greenlet", "gunicorn", "handover")
    now = {**{f"{site}/{name}/a.py": "1" for name in needed}, f"{site}/yaml/a.py": "missing", "python": "/usr/bin/python3 1"}
    assert fingerprint.lacking(now) == ()
    assert fingerprint.lacking({**now, f"{site}/gunicorn/a.py": "missing"}) == ("gunicorn",)
    assert fingerprint.lacking(dict.fromkeys(now, "missing")) == ()


def test_the_master_is_its_own_fingerprint() -> None:
    """Asked twice, nothing differs; the interpreter is in it."""
    once = fingerprint.of_master()
    assert fingerprint.differences(once, fingerprint.of_master()) == () and "python" in once


@given(st.binary(max_size=200))
def test_no_packet_upsets_the_control_socket(packet: bytes) -> None:
    """Anything is a request or a sentence for who sent it."""
    try:
        assert parse(packet).verb in ("status", "reload", "scale")
    except ValueError as error:
        assert str(error).startswith("control socket: ")


@pytest.mark.parametrize(
    "packet", [b'{"verb": "scale", "to": true}', b'{"verb": "stop"}', b'{"verb": "reload", "trial": 1}', b'{"x": 1}', b"[]"]
)
def test_a_request_is_checked(packet: bytes) -> None:
    """Types count, and unknown verbs and keys are refused."""
    with pytest.raises(ValueError, match="control socket"):
        parse(packet)


def test_a_request_is_read() -> None:
    """What is left out has its default."""
    assert parse(b'{"verb": "scale", "by": -1}') == Request("scale", by=-1) == parse(b'{"verb": "scale", "by": -1, "version": 1}')
    for version in ("2", "0", '"1"', "true", "null"):
        with pytest.raises(ValueError, match=r"this master speaks version 1, got a request of version .*\nhint: "):
            parse(f'{{"verb": "status", "version": {version}}}'.encode())


@pytest.mark.parametrize(("spoken", "version"), [("", 1), ("{pid} 1", 1), ("{pid} 2", 2), ("1{pid} 2", 1), ("{pid} x", 1), ("2", 1)])
def test_a_master_knows_what_the_one_before_speaks(spoken: str, version: int) -> None:
    """One of before there were versions says nothing, and passes on what was said to itself: that is for another process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {CHANNEL: str(theirs.detach()), SPEAKS: spoken.format(pid=os.getpid())}
    known = predecessor(environ)
    assert known
    with ours, known.channel:
        assert known.speaks == version and bool(known.unspoken) == (version > 1) and environ == {}
        assert ours.recv(100) == f"pid {os.getpid()}".encode()
    assert predecessor(environ) is None


def test_an_environment_is_one_that_a_process_can_have() -> None:
    """And belongs to a reload alone."""
    assert parse(b'{"verb": "reload", "environment": {"A": "1"}}') == Request("reload", environment={"A": "1"})
    for environment in ('{"A": 1}', '{"": "1"}', '{"A=B": "1"}', '{"A": "\\u0000"}', '["A"]', '"A"'):
        with pytest.raises(ValueError, match="unknown request"):
            parse(f'{{"verb": "reload", "environment": {environment}}}'.encode())
    with pytest.raises(ValueError, match="unknown request"):
        parse(b'{"verb": "hold", "release": "x", "environment": {"A": "1"}}')


@pytest.mark.parametrize(
    ("address", "name"),
    [(("0.0.0.0", 8000), "handover-0.0.0.0-8000"), (("::1", 80), "handover--1-80"), ("/run/raab/http", "handover--run-raab-http")],
)
def test_a_stored_socket_has_a_name_that_systemd_takes(address: str | tuple[str, int], name: str) -> None:
    """No colon: systemd separates names by it."""
    assert stored_name(address) == name


def test_addresses_are_looked_at_one_by_one() -> None:
    """Both families are two sockets, a name is the address that it stands for, and what is a part of another address is known as that."""
    assert list(spread([("::", 80), ("localhost", 81), "/run/x", ("::1", 82)])) == [
        ("::", 80), ("0.0.0.0", 80), ("127.0.0.1", 81), "/run/x", ("::1", 82),
    ]  # fmt: skip
    assert covers(("0.0.0.0", 80), ("127.0.0.1", 80)) and covers(("::", 80), ("::1", 80))
    wide, others = ("0.0.0.0", 80), (("127.0.0.1", 81), ("::1", 80), "/run/x")
    assert not any(covers(wide, other) or covers(other, wide) for other in others) and not covers(("127.0.0.1", 80), wide)


def test_an_exit_is_told_in_words() -> None:
    """By whom and how, and whether it was a signal."""
    assert exit_status(3 << 8) == ("exited with status 3", False)
    assert exit_status(signal.SIGKILL) == ("was ended by SIGKILL", True)


def test_the_board_is_seen_by_children() -> None:
    """What a worker writes, the master reads; a slot that no worker has is used again."""
    board = Board(slots=2)
    slot = board.take({0})
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        board.write(slot, 7, 2, 1)
        board.beat(slot)
        os._exit(0)
    os.waitpid(child, 0)
    assert board.read(slot) == Tally(7, 2, 1) and not board.stopping
    assert begun <= board.beaten(slot) <= time.monotonic()
    assert board.take({0}) == slot == 1 and board.read(slot) == Tally(0, 0, 0)
    # A process that is about to be forked has all the time until its first beat.
    assert board.beaten(slot) == math.inf


def test_a_heartbeat_is_written_whole() -> None:
    """Who looks while it is written sees the one before or the new one: a worker whose heart seemed to stand still were killed."""
    board = Board(slots=1)
    slot = board.take(())
    board.beat(slot)
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        while True:
            board.beat(slot)
    try:
        assert all(board.beaten(slot) >= begun - 1 for _ in range(300_000))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_process_has_a_parent() -> None:
    """And one that is not there has none."""
    assert parent_of(os.getpid()) == os.getppid() and parent_of(2**22 + 1) == 0


def test_code_that_is_asked_apart_leaves_nothing_here() -> None:
    """It answers from a process of its own; what it loads, breaks or ends there is not felt."""

    def answer() -> str:
        import colorsys  # a module that nothing else here imports

        return f"{os.getpid()} {colorsys.__name__}"

    pid, name = apart(answer, 5).split()
    assert int(pid) != os.getpid() and name == "colorsys" and "colorsys" not in sys.modules
    assert apart(lambda: "x" * 300_000, 5) == "x" * 300_000


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: str(1 / 0), "division by zero"),
        (lambda: sys.exit("gone"), "gone"),
        (lambda: os._exit(7), "it ended without an answer"),
        (lambda: time.sleep(60), "no answer within 0.2 s"),
    ],
)
def test_code_that_does_not_answer_is_no_trouble(function: Any, reason: str) -> None:
    """Its reason is passed on, and its process is gone."""
    before = children()
    with pytest.raises(RuntimeError, match=reason):
        apart(function, 0.2)
    assert children() <= before


def children() -> set[str]:
    """Of this process, by their ids, those that have ended and were not waited for among them (proc_pid_task(5))."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}
