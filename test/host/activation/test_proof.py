"""The proof against a server of the test's own, whose answers are as wrong as wanted."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.activation.proof import probe, proof
from raab.host.activation.proof.proof import Late, prove
from raab.host.activation.proof.token import Token
from raab.host.paths import Paths

TOKEN = "f" * 64


@contextmanager
def server(answer: Callable[[], bytes]) -> Iterator[str]:
    """Answer each connection with what `answer` gives, then close it; yields the address as gunicorn writes it."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"0.0.0.0:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def answer(release: str, worker: int, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nRaab-Release: {release}\r\nRaab-Worker: {worker}\r\n\r\nok\n".encode()


def test_every_worker_has_to_answer_with_the_release() -> None:
    turns = itertools.cycle((11, 12, 13))
    with server(lambda: answer("new", next(turns))) as bind:
        shown = prove([bind], TOKEN, "new", lambda: frozenset({11, 12, 13}), limit=5)
    assert shown.workers == (11, 12, 13)
    assert shown.answers >= 12


def test_one_silent_worker_is_named() -> None:
    with server(lambda: answer("new", 11)) as bind, pytest.raises(RaabError, match="no answer from worker 12"):
        prove([bind], TOKEN, "new", lambda: frozenset({11, 12}), limit=0.3)


def test_every_address_has_to_answer() -> None:
    """One where others answer is named with what is wrong there."""
    with server(lambda: answer("new", 11)) as good, server(lambda: answer("old", 11)) as bad:
        assert prove([good, good.replace("0.0.0.0", "127.0.0.1")], TOKEN, "new", lambda: frozenset({11}), limit=5).answers == 4
        with pytest.raises(RaabError, match=rf"new at 127\.0\.0\.1:{bad[8:]} within .* answers from release old"):
            prove([good, bad], TOKEN, "new", lambda: frozenset({11}), limit=0.3)
    with pytest.raises(RaabError, match="no address"):
        prove([], TOKEN, "new", lambda: frozenset({11}), limit=0.3)


def test_an_answer_from_another_release_is_no_proof() -> None:
    """Even when every new worker has answered: as long as the old one does too, it is not over."""
    turns = itertools.cycle(("new", "old"))
    with server(lambda: answer(next(turns), 11)) as bind, pytest.raises(RaabError, match="answers from release old"):
        prove([bind], TOKEN, "new", lambda: frozenset({11}), limit=0.3)


def test_an_error_is_no_proof() -> None:
    """It is the application that has to answer well, whatever else names the release on the way out."""
    with server(lambda: answer("new", 11, "404 Not Found")) as bind, pytest.raises(RaabError, match="answers with status 404"):
        prove([bind], TOKEN, "new", lambda: frozenset({11}), limit=0.3)


def test_what_is_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again and again, a host that is behind with its work had all the more to do, and no answer was ever in time."""
    monkeypatch.setattr(proof, "PATIENCE", 0.02)
    monkeypatch.setattr(proof, "_LEAST", 0.01)

    def slow() -> bytes:
        time.sleep(0.04)
        return answer("new", 11)

    with server(slow) as bind:
        assert prove([bind], TOKEN, "new", lambda: frozenset({11}), limit=10).answers >= 4


def test_what_is_late_is_told_from_what_is_wrong(tmp_path: Path) -> None:
    """A queue that nobody takes anything from, full or not; not who refuses, or answers for another."""

    def failed(bind: str) -> RaabError:
        with pytest.raises(RaabError, match="not every worker served new") as raised:
            prove([bind], TOKEN, "new", lambda: frozenset({11}), limit=0.2)
        return raised.value

    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        port = silent.getsockname()[1]
        assert isinstance(failed(f"127.0.0.1:{port}"), Late)
    assert not isinstance(failed(f"127.0.0.1:{port}"), Late)
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(str(tmp_path / "http"))
        full.listen(0)
        assert isinstance(failed(f"unix:{tmp_path / 'http'}"), Late)
    turns = itertools.count()

    def strange() -> bytes:
        if next(turns) % 4 == 3:
            time.sleep(0.3)
        return answer("old", 11)

    with server(strange) as bind:
        assert not isinstance(failed(bind), Late)
    with server(lambda: answer("new", 12)) as bind:
        assert not isinstance(failed(bind), Late)


def test_without_workers_there_is_nothing_to_prove() -> None:
    with server(lambda: answer("new", 11)) as bind, pytest.raises(RaabError, match="no workers"):
        prove([bind], TOKEN, "new", frozenset, limit=0.2)


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RaabError, match="a connection that failed"):
        prove([bind], TOKEN, "new", lambda: frozenset({1}), limit=0.2)


@pytest.mark.parametrize(
    ("binds", "places"),
    [
        (["0.0.0.0:8000"], [(socket.AF_INET, ("127.0.0.1", 8000))]),
        ([":8000"], [(socket.AF_INET, ("127.0.0.1", 8000))]),
        (["10.0.0.5:80"], [(socket.AF_INET, ("10.0.0.5", 80))]),
        (["[::]:8000"], [(socket.AF_INET6, ("::1", 8000)), (socket.AF_INET, ("127.0.0.1", 8000))]),
        (["[fd00::5]:80"], [(socket.AF_INET6, ("fd00::5", 80))]),
        (["unix:/run/raab/http"], [(socket.AF_UNIX, "/run/raab/http")]),
        (["0.0.0.0:80", "127.0.0.1:80", "unix:/x"], [(socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_UNIX, "/x")]),
    ],
)
def test_where_listeners_are_reached(binds: list[str], places: list[object]) -> None:
    assert list(probe.targets(binds)) == places


def test_the_prober_asks_at_each_address_and_then_where_the_service_stays() -> None:
    asked: list[str] = []

    def noted(name: str) -> Callable[[], bytes]:
        return lambda: asked.append(name) or answer("new", 11)

    with server(noted("first")) as first, server(noted("second")) as second:
        prober = probe.Prober(probe.targets([first, second]), TOKEN)
        prober.start()
        wait_until(lambda: {*asked} == {"first", "second"})
        prober.only(probe.targets([second]))
        time.sleep(0.1)
        asked.clear()
        wait_until(lambda: len(asked) > 3)
        assert {*asked} == {"second"}
        prober.only(())
        assert prober.stop().failed == 0


def test_the_prober_counts_each_failure_and_the_slowest() -> None:
    """Server errors and broken answers are failures; what it sent, the server saw."""
    seen = itertools.count()

    def unsteady() -> bytes:
        number = next(seen)
        return b"HTTP/1.1 2" if number == 3 else answer("x", 1, "503 no" if number == 5 else "200 OK")

    with server(unsteady) as bind:
        prober = probe.Prober(probe.targets([bind]), TOKEN)
        begun = time.monotonic()
        prober.start()
        threading.Event().wait(0.5)
        tally = prober.stop()
        assert tally.sent == next(seen) >= 10
    assert tally.failed == 2
    assert "broke off after 10 bytes" in tally.reason or "503" in tally.reason
    assert 0 < tally.slowest <= time.monotonic() - begun


def test_the_prober_does_not_wait_with_all_that_a_process_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart that takes long, behind what ignores its end, left the activation without a descriptor and without a verdict."""
    monkeypatch.setattr(probe, "MOST_WAITING", 5)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        prober = probe.Prober(probe.targets([f"127.0.0.1:{silent.getsockname()[1]}"]), TOKEN)
        prober.start()
        threading.Event().wait(0.5)
        assert len(prober.threads) == 5
        silent.close()
        prober.stop()


def test_requests_are_close_together_for_a_moment() -> None:
    """Workers that load first after the switch take seconds for it, and so many requests would take them longer."""
    prober = probe.Prober((), TOKEN)
    prober.pace(0.002, 1)
    now = time.monotonic()
    assert (prober.interval_at(now), prober.interval_at(now + 2)) == (0.002, probe.INTERVAL_SECONDS)


def test_the_token_is_the_services_to_read(tmp_path: Path) -> None:
    """And nobody's to write; a file that lies in its way is replaced, and one activation's is not another's."""
    paths = Paths("raab", run=tmp_path)
    part = tmp_path / "raab-proof.part"
    part.symlink_to("elsewhere")
    one, other = Token(paths), Token(paths)
    for token in (one, other):
        token.publish()
        assert paths.token.read_text() == token.text
        assert paths.token.stat().st_mode & 0o777 == 0o640
    assert one.text != other.text
    assert f"Raab-Proof: {one.text}\r\n" in probe.request(one.text).decode()
    other.withdraw()
    assert list(tmp_path.iterdir()) == []


def test_where_the_service_looks_for_the_token() -> None:
    """Two halves that import nothing of each other (raab.web.edge.proof)."""
    assert str(Paths("raab").token) == "/run/raab" + "-proof"
