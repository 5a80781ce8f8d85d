"""What a service prints: at once, in sound lines, and without waiting for a journald that hangs or is gone."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from handover.outside.output import Output, portions

PRINTING = """
import logging, os, signal, sys, threading, warnings
import gevent
class Failing(logging.Handler):
    def emit(self, record):
        try: fail()
        except Evil: self.handleError(record)
class Evil(Exception): pass
def fail(): raise Evil("x\\n<0>forged {release}\\nMay 1 00:00:00 host sshd[1]: forged")
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/die":
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/greenlet":
        gevent.spawn(fail)
    if path == "/thread":
        threading.Thread(target=fail, name="t\\n<0>forged").start()
    if path == "/finalizer":
        type("Heavy", (), {"__del__": lambda self: fail()})()
    if path == "/loop":
        gevent.get_hub().loop.run_callback(fail)
    if path == "/warning":
        warnings.warn("x\\n<0>forged {release}\\nMay 1 00:00:00 host sshd[1]: forged")
    if path == "/handler":
        logging.getLogger("shop").addHandler(Failing())
        logging.getLogger("shop").error("x\\n<0>forged")
    if path == "/much":
        print("y" * 5000)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def full(end: int) -> None:
    """Write until nobody could write more without waiting."""
    os.set_blocking(end, False)
    with suppress(BlockingIOError):
        while True:
            os.write(end, b"x" * 4095 + b"\n")
    with suppress(BlockingIOError):
        while True:
            os.write(end, b"\n")
    os.set_blocking(end, True)


def channel(kind: str) -> tuple[int, int]:
    """What is written, and where it is read."""
    if kind == "pipe":
        read, write = os.pipe()
        return write, read
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def drained(end: int) -> bytes:
    os.set_blocking(end, False)
    data = b""
    with suppress(BlockingIOError):
        while part := os.read(end, 1 << 20):
            data += part
    return data


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_hangs_is_not_waited_for(kind: str) -> None:
    """What it could not be given is lost and counted; no line is torn, and those after it are whole."""
    write, read = channel(kind)
    output = Output(write)
    print("before", file=output)
    full(write)
    waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    for number in range(1000):
        print(f"lost {number}", file=output)
    # A thread that waits gives the processor away of its own will; a busy machine takes it.
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - waits < 100
    assert b"lost" not in drained(read)
    print("after", file=output)
    told, after, rest = drained(read).split(b"\n")
    assert (after, rest) == (b"after", b"")
    assert told.startswith(b"<4>{") and json.loads(told[3:])["message"] == "1000 lines could not be written"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_line_that_does_not_fit_is_ended_before_the_next_one(kind: str) -> None:
    """The part that has been taken is nobody else's beginning."""
    write, read = channel(kind)
    output = Output(write)
    print("x" * 3_000_000, file=output)
    drained(read)
    print("<6>next", file=output)
    assert drained(read).endswith(b"\n<6>next\n")


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_is_gone_is_no_error(kind: str) -> None:
    write, read = channel(kind)
    output = Output(write)
    os.close(read)
    print("x", file=output)
    output.buffer.write(b"y\n")
    output.flush()


def test_a_reader_that_is_merely_busy_is_waited_for(tmp_path: Path) -> None:
    """100 MB through a pipe that takes 64 KiB: nothing is lost."""
    write, read = channel("pipe")
    count = tmp_path / "count"
    with count.open("w") as file:
        reader = subprocess.Popen(["wc", "-l"], stdin=read, stdout=file)
    os.close(read)
    output = Output(write)
    for _ in range(1000):
        output.write(("x" * 999 + "\n") * 100)
    os.close(write)
    reader.wait()
    assert int(count.read_text()) == 100_000


def test_portions_end_with_lines() -> None:
    lines = [b"a" * 3 + b"\n", b"b" * 5 + b"\n", b"c\n"]
    assert list(portions(lines, 8)) == [b"aaa\n", b"bbbbb\nc\n"]
    assert list(portions(lines, 0)) == [b"".join(lines)]
    assert list(portions([b"x" * 20], 8)) == [b"x" * 20]


def test_it_is_a_stream_like_pythons_own(tmp_path: Path) -> None:
    """For what looks at one: text that cannot be encoded, bytes, its descriptor."""
    with (tmp_path / "file").open("wb") as file:
        output = Output(file.fileno())
        print("a\udc80", 1, end="", file=output)
        assert (tmp_path / "file").read_bytes() == b""
        output.reconfigure(encoding="utf-8", line_buffering=True)
        print("", file=output, flush=True)
        output.buffer.write(b"\xff\n")
        assert (output.fileno(), output.isatty(), output.writable(), output.encoding) == (file.fileno(), False, True, "utf-8")
        with pytest.raises(TypeError):
            output.write(b"x")  # type: ignore[arg-type]
    assert (tmp_path / "file").read_bytes() == b"a\\udc80 1\n\\xff\n"


def ask(master: Any, path: str, seconds: float = 3) -> bytes:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{master.port}{path}", timeout=seconds) as answer:
        return bytes(answer.read())
    return b""


def test_what_an_application_prints_survives_its_worker(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would have kept it for later, when it prints to anything but a terminal."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    master = start()
    master.release("2", wsgi=PRINTING)
    master.switch("2")
    assert master.ask(verb="reload")["good"]
    assert ask(master, "/die") == b""
    master.wait(lambda: "last words\n" in (master.home / "log").read_text())


def test_what_fails_in_the_background_is_one_sound_line(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it says, in greenlets, threads, finalizers, callbacks of the loop, handlers of logs and warnings: an object with a
    priority, of which nothing begins a line of its own."""
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    master = start()
    master.release("2", wsgi=PRINTING)
    master.switch("2")
    assert master.ask(verb="reload")["good"]
    for path in ("/greenlet", "/thread", "/finalizer", "/loop", "/handler", "/warning"):
        assert ask(master, path) == b"ok"
    master.wait(lambda: (master.home / "log").read_text().count("sshd") >= 6)
    lines = (master.home / "log").read_text().splitlines()
    assert all(re.match("<[2-7]>{", line) for line in lines)
    failed = [said for said in (json.loads(line[3:]) for line in lines) if "Evil" in said.get("exc_info", "")]
    assert len(failed) == 5
    warned = [said["message"] for said in (json.loads(line[3:]) for line in lines) if said["level"] == "WARNING"]
    assert any("UserWarning: x\n<0>forged" in message for message in warned)
    assert {said["level"] for said in failed} == {"ERROR"}
    assert all("in fail" in said["exc_info"] for said in failed)


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_neither_start_nor_reload_nor_a_request_needs_journald(start: Callable[..., Any], how: str) -> None:
    """Its end of the socket is full, or closed, before the master begins."""
    write, read = channel("socket")
    if how == "hangs":
        full(write)
    else:
        os.close(read)
    master = start(output=write)
    master.release("2", wsgi=PRINTING)
    master.switch("2")
    assert master.ask(verb="reload")["good"]
    for _ in range(20):
        assert ask(master, "/much") == b"ok"
    assert ask(master, "/greenlet") == b"ok"
    assert master.ask(verb="reload")["good"]


def test_nothing_is_left_of_pythons_own_buffer() -> None:
    """An interpreter whose standard output is gone ends with status 120; a service shall end as it wants to."""
    code = "from handover.outside.output import adopt; adopt(); print('x')"
    write, read = channel("pipe")
    os.close(read)
    assert subprocess.run([sys.executable, "-c", code], stdout=write, stderr=write, cwd="/", check=False).returncode == 0
