"""The sender sees every kind of failure, and counts exactly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from raab.drill.traffic.account import Account
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Client, Kind, Mix
from raab.errors import RaabError

from . import servers


def test_server_and_sender_agree_on_the_count() -> None:
    """Two senders, all kinds of connection, connections that the server ends: N is the number of requests that the server answered."""
    counting = servers.Counting(close_every=50)
    mix = Mix(fresh=100, reused=100, idle=20, idle_seconds=1, bursts=5, burst_length=6)
    with servers.serving(counting) as address:
        with Load([address], mix, senders=2) as load:
            time.sleep(2)
        account = load.account
    assert account.failures == ()
    assert account.total == counting.count
    assert account.total > 400
    assert account.labels == (("1", account.total),)
    by_client = Counter(sample.client for sample in account.samples)
    assert set(by_client) == {Client.FRESH, Client.REUSED, Client.IDLE, Client.BURST}
    assert by_client[Client.BURST] % 6 == 0
    # Kept connections are really kept: there are far fewer of them than requests.
    assert counting.connections < account.total - by_client[Client.REUSED] / 2


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ("after_nothing", Kind.RESET), ("with_reset", Kind.RESET), ("within_head", Kind.TRUNCATED), ("within_body", Kind.TRUNCATED),
        ("reset_within_body", Kind.TRUNCATED), ("within_chunks", Kind.TRUNCATED), ("unavailable", Kind.SERVER_ERROR),
        ("not_found", Kind.WRONG), ("nonsense", Kind.WRONG), ("silence", Kind.TIMED_OUT),
    ],
)  # fmt: skip
@pytest.mark.parametrize("client", [Client.FRESH, Client.REUSED])
def test_each_failure_is_seen_as_what_it_is(bad: str, kind: Kind, client: Client) -> None:
    """Exactly the requests that the server spoilt are counted as failed, under the right name, and none is retried."""
    mix = Mix(fresh=100, reused=0, timeout=1) if client is Client.FRESH else Mix(fresh=0, reused=100, timeout=1)
    exactly(client, bad, kind, mix)


@pytest.mark.parametrize(("bad", "kind"), [("with_reset", Kind.RESET), ("within_chunks", Kind.TRUNCATED), ("silence", Kind.TIMED_OUT)])
def test_idle_clients_see_failures_too(bad: str, kind: Kind) -> None:
    """A client that idles between its requests counts as exactly as the busy ones."""
    exactly(Client.IDLE, bad, kind, Mix(fresh=0, reused=0, idle=20, idle_seconds=0.2, timeout=1))


def exactly(client: Client, bad: str, kind: Kind, mix: Mix) -> None:
    """Asserts that of a server's spoilt answers the sender sees every one, and nothing else."""
    serve, spoilt = servers.sometimes(getattr(servers, bad), every=10)
    with servers.serving(serve) as address:
        with Load([address], mix) as load:
            time.sleep(0.3)
        account = load.account
    assert {(sample.client, sample.kind) for sample in account.failures} == {(client, kind)}
    assert len(account.failures) == spoilt[0] > 0


def test_a_refused_connection_is_a_failure_of_its_own() -> None:
    """While nobody listens every request is refused, whether it is the first on a connection or not; none is left out of the schedule."""
    with servers.serving(servers.Counting(close_every=2)) as address:
        load = Load([address], Mix(fresh=100, reused=100))
        load.__enter__()
    time.sleep(0.5)
    load.__exit__(None, None, None)
    assert {sample.kind for sample in load.account.failures} <= {Kind.REFUSED, Kind.RESET}
    assert {sample.client for sample in load.account.failures if sample.kind is Kind.REFUSED} == {Client.FRESH, Client.REUSED}
    assert sum(sample.kind is Kind.REFUSED for sample in load.account.failures) > 60


def test_a_stall_is_seen_by_every_request_that_was_due_in_it() -> None:
    """A server that stops for 0.5 s makes all requests of that time wait: the sender does not wait with it (no coordinated omission).

    A machine that is busy stops the sender as well, which its lag tells, and the server beyond its stall, which knows it: what that leaves
    open, another stall has to show.
    """
    for _ in range(8):
        begin, account, late = stalled_for_half_a_second()
        due = [sample for sample in account.samples if begin <= sample.at < begin + 0.5]
        assert account.failures == () and account.longest > 0.45
        assert len(due) == pytest.approx(100, abs=10)
        # Each has waited for the stall's end at least, and so who was due late in it less than who was due early.
        assert [sample for sample in due if sample.at + sample.wait < begin + 0.5] == []
        if account.lag < 0.05 and late < 0.03:
            assert account.longest < 0.65
            # The waits fall evenly from 0.5 s to 0.
            assert sum(sample.wait > 0.25 for sample in due) == pytest.approx(50, abs=12)
            stalled = [bucket for bucket in account.timeline() if bucket.slowest > 0.25]
            assert begin - 0.02 < stalled[0].at < stalled[-1].at < begin + 0.3
            return
    pytest.skip("this machine was too busy in each of 8 stalls to tell how evenly their waits fall")


def stalled_for_half_a_second() -> tuple[float, Account, float]:
    """When the stall began, what the sender tells of it, and by how many seconds the server has answered later than at its end."""
    halt, late = [0.0], [0.0]

    def serve(connection: socket.socket) -> None:
        for _ in servers.heads(connection):
            waits = halt[0] > time.monotonic()
            time.sleep(max(0.0, halt[0] - time.monotonic()))
            connection.sendall(servers.OK)
            if waits:
                late.append(time.monotonic() - halt[0])

    with servers.serving(serve) as address, Load([address], Mix(fresh=100, reused=100)) as load:
        time.sleep(0.3)
        begin = load.mark("stall")
        halt[0] = begin + 0.5
        time.sleep(0.8)
    return begin, load.account, max(late)


def test_a_pool_is_no_larger_after_a_stall() -> None:
    """Requests open connections of their own while none is answered; the pool keeps as many of them as it is for."""
    halt = [0.0]
    opened: list[socket.socket] = []
    closed: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        opened.append(connection)
        try:
            for _ in servers.heads(connection):
                time.sleep(max(0.0, halt[0] - time.monotonic()))
                connection.sendall(servers.OK)
        finally:
            closed.append(connection)

    with servers.serving(serve) as address, Load([address], Mix(fresh=0, reused=100, connections=4)) as load:
        halt[0] = load.mark("stall") + 0.5
        time.sleep(1.0)
        kept = len(opened) - len(closed)
    assert load.account.failures == ()
    assert len(opened) > 20
    assert kept <= 4


def test_a_kept_connection_that_ended_is_not_used() -> None:
    """A connection at its end before the request is sent is dropped, as proxies and pools do: that is no failure of the server."""

    def serve(connection: socket.socket) -> None:
        for _ in servers.heads(connection):
            connection.sendall(servers.OK)
            return

    with servers.serving(serve) as address, Load([address], Mix(fresh=0, reused=50, connections=20, idle=5, idle_seconds=0.5)) as load:
        time.sleep(1)
    assert load.account.failures == ()
    assert load.account.total > 50


def test_no_answer_at_all_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entering the context fails in a bounded time, says what happened, and leaves no sender behind."""
    monkeypatch.setattr("raab.drill.traffic.load.FIRST_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    load = Load([address], Mix())
    with pytest.raises(RaabError, match=r"no answer from .* within 1 s, got .*Connect call failed"):
        load.__enter__()
    assert senders() == []


def test_leaving_by_an_error_ends_the_senders() -> None:
    """An exception in the block ends the traffic at once and comes through."""
    with servers.serving(servers.Counting()) as address:
        with pytest.raises(ZeroDivisionError), Load([address], Mix(slow=1)):
            _ = 1 / 0
        assert senders() == []


def test_a_killed_sender_is_no_success() -> None:
    """Requests of a sender that died are not silently missing from the account."""
    with servers.serving(servers.Counting()) as address:
        load = Load([address], Mix())
        load.__enter__()
        for pid in senders():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        with pytest.raises(RaabError, match="a sender"):
            load.__exit__(None, None, None)


def test_senders_end_with_whoever_started_them() -> None:
    """Killing the starting process ends its senders: traffic never outlives a test."""
    counting = servers.Counting()
    with servers.serving(counting) as (host, port):
        code = f"""
import time
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
with Load([({host!r}, {port})], Mix()) as load:
    print("flowing", flush=True)
    time.sleep(60)
"""
        process = subprocess.Popen([sys.executable, "-c", code], cwd="/", stdout=subprocess.PIPE, text=True)
        assert process.stdout and process.stdout.readline() == "flowing\n"
        process.kill()
        process.communicate()
        time.sleep(1)
        before = counting.count
        time.sleep(0.5)
        assert counting.count == before


def test_the_sender_imports_the_standard_library_only() -> None:
    """The room's law: a sender is small, starts fast, and runs wherever Python does."""
    ours, plain = loaded_by("import raab.drill.traffic.sender"), loaded_by("pass")
    assert {name for name in ours - plain if name not in sys.stdlib_module_names} == {"raab"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a new Python has after the statement."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def senders() -> list[int]:
    """The sender processes that this process has started and that still live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and b"raab.drill.traffic.sender" in words:
            found.append(int(entry.name))
    return found


def test_slow_streamed_and_uploaded_requests_are_checked_whole(tmp_path: Path) -> None:
    """Under gunicorn and gevent the long requests pass, and their own duration does not count as waiting."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("-k", "gevent", "-w", "1", "-b", f"127.0.0.1:{port}", "--no-control-socket")
    argv = [sys.executable, "-m", "gunicorn", *options, "raab.drill.traffic.routes:application"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(argv, cwd=tmp_path, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        mix = Mix(fresh=20, reused=20, slow=5, streamed=5, uploads=5, bursts=2, slow_seconds=1, stream_seconds=1, upload_seconds=1)
        with Load([("127.0.0.1", port)], mix) as load:
            time.sleep(2)
    finally:
        server.terminate()
        server.wait()
    account = load.account
    assert account.failures == (), account.line()
    assert {sample.client for sample in account.samples} == set(Client) - {Client.IDLE}
    assert min(sample.took - sample.wait for sample in account.of(Client.SLOW, Client.STREAMED, Client.UPLOAD).samples) >= 0.99


@pytest.mark.parametrize("client", [Client.STREAMED, Client.UPLOAD])
def test_a_whole_answer_with_the_wrong_content_is_wrong(client: Client) -> None:
    """A stream that lacks a piece and an upload that arrived changed are failures, however well-formed the answer is."""
    mix = {
        Client.STREAMED: Mix(fresh=20, reused=0, streamed=20, stream_seconds=0.1),
        Client.UPLOAD: Mix(fresh=20, reused=0, uploads=20, upload_seconds=0.1),
    }

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while first := stream.readline():
            while stream.readline().strip():
                pass
            if first.startswith(b"POST"):
                stream.read(16 * 4096)
            connection.sendall(servers.OK)
            if first.startswith(b"POST"):
                return

    with servers.serving(serve) as address, Load([address], mix[client]) as load:
        time.sleep(0.5)
    assert {(sample.client, sample.kind) for sample in load.account.failures} == {(client, Kind.WRONG)}
    assert (load.requests, load.failures) == (load.account.total, load.account.failures)
