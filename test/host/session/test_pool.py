"""Out of the load balancer's pool and back: by what workers have counted, and by what the service says of itself."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.host.session import pool
from raab.host.session.session import Session
from raab.metrics.slot import Slot
from raab.protocol import conversation


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "raab").mkdir()
    return Paths("raab", run=tmp_path)


class Clock:
    """Of a host on which something happens whenever somebody sleeps."""

    def __init__(self, happens: Callable[[float], None]) -> None:
        self.now = 1000.0
        self.happens = happens

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.happens(self.now - 1000.0)


def test_a_host_is_out_when_no_request_has_come_for_a_while(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come while the balancer has not noticed are waited for; one that lasts is not, nor is who asks for health."""
    slot = Slot(paths.runtime / "metrics")
    slot.enter()

    def happens(at: float) -> None:
        slot.observe("GET", "/readyz", 503, 0.1, 1)
        if at < 1.0:
            slot.observe("GET", "/", 200, 0.1, 1)

    monkeypatch.setattr(pool, "time", Clock(happens))
    assert 1.8 <= pool.leave(paths, 1.0).seconds <= 2.2
    assert paths.drained.is_file()


def test_one_that_requests_still_come_to_is_back_in_the_pool(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = Slot(paths.runtime / "metrics")
    monkeypatch.setattr(pool, "time", Clock(lambda _: slot.observe("GET", "/", 200, 0.1, 1)))
    with pytest.raises(RaabError, match="drain: requests still come after 61 s, although /readyz says 503"):
        pool.leave(paths, 1.0)
    assert not paths.drained.exists()


def test_the_end_of_a_request_is_none_that_begins(paths: Paths) -> None:
    slot = Slot(paths.runtime / "metrics")
    slot.enter()
    before = pool.begun(paths)
    slot.observe("GET", "/slow", 200, 9.0, 1)
    slot.leave()
    assert pool.begun(paths) == before == 1


def test_a_host_is_back_when_it_is_ready(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """And why it is not, by its own words."""
    monkeypatch.setattr(pool, "READY_SECONDS", 0.5)
    paths.drained.touch()
    with pytest.raises(RaabError, match="no answer at the admin socket"):
        pool.come_back(paths)
    assert not paths.drained.exists()
    answers = [b"HTTP/1.1 503 No\r\n\r\ndrain: ok\ndatabase: gone\nnot ready\n"] * 20
    with admin(paths, answers), pytest.raises(RaabError, match="got drain: ok; database: gone"):
        pool.come_back(paths)
    monkeypatch.setattr(pool, "READY_SECONDS", 60.0)
    with admin(paths, [answers[0], b"HTTP/1.1 200 OK\r\n\r\nok\n"]):
        assert pool.come_back(paths).seconds >= pool.STEP_SECONDS


@contextmanager
def admin(paths: Paths, answers: list[bytes]) -> Iterator[None]:
    """An admin socket that gives these answers, one to a connection."""
    paths.admin.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(paths.admin))
        server.listen()

        def serve() -> None:
            for answer in answers:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def test_a_host_is_out_for_as_long_as_the_connection_that_took_it_out(paths: Paths, tmp_path: Path) -> None:
    """As with the lock: a deployer who is interrupted leaves no host behind that nobody brings back. What somebody has drained stays so."""
    ours = paths._replace(opt=tmp_path / "opt", etc=tmp_path / "etc", var=tmp_path / "var", bin=tmp_path / "bin")
    asked: list[tuple[str, dict[str, object]]] = [("lock", {"who": "ann", "machine": "laptop", "what": "it"}), ("drain", {"quiet": 0})]
    said = talk(ours, asked)
    assert [line["event"] for line in said] == ["done", "done"] and not ours.drained.exists()
    ours.drained.touch()
    said = talk(ours, asked)
    assert "drained already, by somebody" in said[-1]["message"] and ours.drained.is_file()


def test_a_host_that_boots_anew_is_out_until_then(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections end first, maybe; its service may still say for a moment that it is ready."""
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr("raab.host.systemd.must", lambda *words: told.append(words))
    ours = paths._replace(opt=tmp_path / "opt", etc=tmp_path / "etc", var=tmp_path / "var", bin=tmp_path / "bin")
    talk(ours, [("lock", {"who": "ann", "machine": "laptop", "what": "it"}), ("drain", {"quiet": 0}), ("reboot", {})])
    assert told == [("systemctl", "--no-block", "reboot")] and ours.drained.is_file()


def talk(paths: Paths, asked: list[tuple[str, dict[str, object]]]) -> list[dict[str, str]]:
    """What a session answers."""
    sink = io.BytesIO()
    source = io.BytesIO(b"".join(conversation.encode(operation, "raab", values) for operation, values in asked))
    Session(paths, {}, source, sink).serve()
    return [json.loads(line) for line in sink.getvalue().splitlines() if line]
