"""What listens at the control socket's path may be anybody: whatever it is and says, an operator gets two lines, soon, and no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host.activation import activation as activating
from raab.host.activation import running, switch
from raab.host.activation.activation import Activation
from raab.host.activation.proof import probe, proof
from raab.host.activation.rehearsal import Rehearsal, Rehearsed
from raab.host.activation.task import Task
from raab.host.command.cli import main
from raab.host.master import answers, control, conversation
from raab.host.paths import Paths, here
from raab.host.units import unitfiles

pytestmark = pytest.mark.timeout(60)

WORKER: dict[str, Any] = {
    "pid": os.getpid(), "generation": 3, "phase": "serving", "age": 1.5, "requests": 7, "connections": 1, "active": 0
}  # fmt: skip
STATUS: dict[str, Any] = {
    "pid": os.getpid(), "release": "20261122T061500Z-1a2b3c4", "bind": ["0.0.0.0:8000"], "generation": 3, "incoming": None, "target": 1,
    "configured": 1, "bounds": [1, 8], "one_by_one": False, "started": 1.5, "reload": None, "workers": [WORKER],
}  # fmt: skip


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(control, "NAMING_SECONDS", 0.2)
    monkeypatch.setattr(control, "_COMING", 2.0)
    return tmp_path


@contextmanager
def listening(place: Path, *replies: bytes | None) -> Iterator[list[bytes]]:
    """Somebody at that path who gives each client the next of the replies, the last one for ever; None hangs up. Yields the requests."""
    got: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(place))
        listener.listen(64)

        def serve() -> None:
            left = list(replies)
            while True:
                try:
                    channel, _ = listener.accept()
                except OSError:
                    return
                reply = left.pop(0) if len(left) > 1 else left[0]
                with channel, contextlib.suppress(OSError):
                    asked = channel.recv(65536)
                    got.extend([asked] if asked else [])
                    if reply is not None:
                        channel.send(reply)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield got
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            place.unlink(missing_ok=True)


def status(**changed: Any) -> bytes:
    return json.dumps({**STATUS, **changed}).encode()


def worker(**changed: Any) -> bytes:
    return status(workers=[{**WORKER, **changed}])


HOSTILE = {
    "a path for a pid": worker(pid="../var/lib/raab/p"),
    "a negative pid": worker(pid=-1),
    "a pid beyond the kernel's": worker(pid=1 << 40),
    "true for a pid": worker(pid=True),
    "half a pid": worker(pid=1.5),
    "NaN for an age": worker(age=float("nan")),
    "endless": worker(age=float("inf")),
    "an escape sequence": status(release="\x1b]0;owned\x07"),
    "lines in a release": status(release="a\nworkers      2 serving"),
    "three bounds": status(bounds=[1, 2, 3]),
    "no bounds": json.dumps({key: value for key, value in STATUS.items() if key != "bounds"}).encode(),
    "workers that are none": status(workers={"pid": 1}),
    "a worker that is none": status(workers=[7]),
    "workers without end": status(workers=[WORKER] * 1001),
    "a reload that is none": status(reload="done"),
    "an address that is none": status(bind=["0.0.0.0:8000", "127.0.0.1"]),
    "an older master's address that is none": status(bind="127.0.0.1"),
    "a number of ten thousand digits": b'{"pid": ' + b"9" * 10_000 + b"}",
    "a list": b"[]",
    "null": b"null",
    "brackets without end": b"[" * 100_000,
    "not JSON": b"\x00\xff\xfe",
    "half an answer": status()[:100],
    "an error that is none": b'{"error": {"a": 1}}',
}


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_two_lines(runtime: Path, capsys: pytest.CaptureFixture[str], reply: bytes) -> None:
    with listening(runtime / "control", reply):
        assert main(["status"]) == 1
    said = capsys.readouterr()
    assert "not an answer of the service's master" in said.err and len(said.err.splitlines()) == 2
    assert said.out == "" and len(said.err) < 500 and said.err.replace("\n", "").isprintable()


def test_an_honest_answer_is_told(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what it brings that nobody knows is left out."""
    with listening(runtime / "control", status(unknown="\x1b[2J", templates=[{"pid": 5, "generation": 3, "ready": True}])):
        assert main(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["workers"][0]["pid"] == os.getpid() and told["templates"][0]["pid"] == 5 and "unknown" not in told


@pytest.mark.parametrize(("speaks", "code"), [(1, 0), (2, 1), (10**4000, 1), (0, 1), ("2", 1)])
def test_a_master_that_speaks_otherwise_is_not_misread(runtime: Path, capsys: pytest.CaptureFixture[str], speaks: Any, code: int) -> None:
    """One of before there were versions speaks the first."""
    with listening(runtime / "control", status(speaks=speaks)):
        assert main(["status"]) == code
    said = capsys.readouterr().err
    newer = type(speaks) is int and speaks > 1
    assert len(said.splitlines()) == 2 * code and (
        f"speaks version {min(speaks, 1000)} on" in said if newer else "speaks version" not in said
    )


def test_a_reason_keeps_its_lines_and_loses_what_a_terminal_obeys() -> None:
    verdict = {"good": False, "reason": "no\x1b[2J\nhint: repair it", "generation": 1, "seconds": 1, "at": 1.5, "replaced": False}
    told = answers.decode(json.dumps(verdict).encode(), "reload")
    assert told["reason"] == "no\\x1b[2J\nhint: repair it"


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("scale", {"before": "2", "after": 3}),
        ("reload", {"good": "yes"}),
        ("switched", {"good": 1, "reason": "", "generation": 1, "seconds": 1, "at": 1, "replaced": False}),
        ("hold", {"held": True, "bind": "0.0.0.0:8000/../x", "load_timeout": 30}),
        ("hold", {"held": True, "bind": "0.0.0.0:8000", "load_timeout": float("inf")}),
        ("hold", {"held": "yes"}),
        ("hold", {"held": 0, "reason": "x"}),
    ],
)
def test_hostile_answers_to_other_requests(verb: str, reply: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=": "):
        answers.decode(json.dumps(reply).encode(), verb)


@pytest.mark.parametrize("kind", ["folder", "file", "fifo", "link to another socket", "stream"])
def test_what_is_no_socket_of_the_service(runtime: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """A link might lead root's request to any socket of the host."""
    place = runtime / "control"
    with listening(runtime / "another", status()) as got, socket.socket(socket.AF_UNIX) as stream:
        make: dict[str, Callable[[], object]] = {
            "folder": place.mkdir,
            "file": lambda: place.write_text("x"),
            "fifo": lambda: os.mkfifo(place),
            "link to another socket": lambda: place.symlink_to("another"),
            "stream": lambda: stream.bind(str(place)),
        }
        make[kind]()
        assert main(["status"]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 2
        assert got == []


def test_asked_again_without_end(runtime: Path) -> None:
    """An answer that an honest master gives once."""
    with listening(runtime / "control", b'{"ask": "again"}'), pytest.raises(RaabError, match="no answer within"):
        control.ask(here(os.environ), 0.5, verb="status")


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """As on a host, where systemd knows the service's main process; the test says which it is, and whether one is to come."""
    word = {"main": os.getpid(), "expected": True}
    monkeypatch.setattr(conversation, "of_systemd", lambda paths: True)
    monkeypatch.setattr(conversation, "main_pid", lambda paths: word["main"])
    monkeypatch.setattr(control, "expected", lambda paths: word["expected"])
    return word


@pytest.mark.parametrize("verb", [["status"], ["reload"], ["scale", "+1"], ["metrics"]])
@pytest.mark.parametrize("main_pid", [1, 0])
def test_only_the_main_process_of_systemd_is_believed(
    runtime: Path, booted: dict[str, Any], capsys: pytest.CaptureFixture[str], verb: list[str], main_pid: int
) -> None:
    booted["main"] = main_pid
    with listening(runtime / "control", status()) as got:
        assert main(verb) == 1
    assert got == []
    said = capsys.readouterr().err
    assert f"not the service's master listens there, got process {os.getpid()}" in said and len(said.splitlines()) == 2


def test_a_master_that_systemd_hears_of_a_moment_later(runtime: Path, booted: dict[str, Any]) -> None:
    booted["main"] = 1
    threading.Timer(0.1, lambda: booted.update(main=os.getpid())).start()
    with listening(runtime / "control", status()):
        assert control.ask(here(os.environ), 5, verb="status")["target"] == 1


@pytest.mark.parametrize("verb", [["status"], ["scale", "1"]])
def test_a_master_that_restarts_is_asked_again(runtime: Path, booted: dict[str, Any], verb: list[str]) -> None:
    """It ends before it answers, or nobody listens for a while."""
    reply = status() if verb == ["status"] else b'{"before": 1, "after": 1}'
    done: list[int] = []
    asking = threading.Thread(target=lambda: done.append(main(verb)))
    asking.start()
    time.sleep(0.2)
    with listening(runtime / "control", None, None, reply):
        asking.join(10)
    assert done == [0]


def test_one_worker_more_is_not_asked_for_twice(runtime: Path, booted: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The master that ended may have taken the request."""
    with listening(runtime / "control", None) as got:
        assert main(["scale", "+1"]) == 1
    assert len(got) == 1
    assert "the master ended before it answered" in capsys.readouterr().err


class Clock:
    """Time that passes as somebody sleeps."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_who_never_comes_is_not_waited_for(
    runtime: Path, booted: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit; a stopped service not at all."""
    clock = Clock()
    monkeypatch.setattr(control, "time", clock)
    assert main(["status"]) == 3
    assert 1002.0 < clock.now < 1002.2
    booted["expected"], clock.now = False, 1000.0
    assert main(["status"]) == 3
    assert clock.now == 1000.0
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_who_is_to_prove_a_release_descends_from_the_master(runtime: Path, booted: dict[str, Any]) -> None:
    """A worker that is named and is no child of the master cannot stand for one, nor can one that is leaving, nor a child not named."""
    booted["main"] = os.getpid()
    pids = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    named, leaving, _ = (child.pid for child in pids)
    workers = [{**WORKER, "pid": named}, {**WORKER, "pid": leaving, "phase": "retiring"}, {**WORKER, "pid": 1}]
    try:
        with listening(runtime / "control", status(workers=workers)):
            assert running.serving(here(os.environ)) == {named}
        assert running.serving(here(os.environ)) == frozenset()
    finally:
        for child in pids:
            child.kill()
            child.wait()


def test_the_proof_goes_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where the service says that it will serve: what listens there may be anybody's."""
    rehearsal = Rehearsal.__new__(Rehearsal)
    admin = ["unix:/run/raab/admin", "127.0.0.1:9100"]
    held = SimpleNamespace(bind=["127.0.0.1:8001", *admin])
    rehearsal.asked = SimpleNamespace(held=lambda: held, conversation=SimpleNamespace(close=lambda: None))  # type: ignore[assignment]
    rehearsal.paths, rehearsal.release, rehearsal.task = Paths("raab"), Path("/nowhere"), Task("x")
    monkeypatch.setattr(unitfiles, "restart_needed", lambda *_: False)
    monkeypatch.setattr(Rehearsal, "behind", lambda self: False)
    settings = answers.Settings(("127.0.0.1:8000", "[::1]:8000"), 9100, 60.0)
    monkeypatch.setattr(Rehearsal, "read_settings", lambda self: self.__dict__.update(settings=settings))
    with pytest.raises(RaabError, match=r"would serve .*:8001, and its settings say .*:8000"):
        rehearsal.loaded()
    held.bind = ["127.0.0.1:8000", *admin]
    with pytest.raises(RaabError, match="would serve"):
        rehearsal.loaded()
    held.bind = ["127.0.0.1:8000", "[::1]:8000", *admin]
    assert rehearsal.loaded() is held  # type: ignore[comparison-overlap]
    # By a restart, nobody of before has a say.
    rehearsal.task = Task("x", restart=True)
    assert rehearsal.loaded() is None


def test_requests_are_close_together_for_the_switch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy host they would keep the very workers from answering that the proof waits for."""
    activation = Activation.__new__(Activation)
    activation.paths, activation.task, activation.standing, activation.rehearsed = Paths("raab"), Task("x"), {}, Rehearsed()
    activation.teller, activation.token = SimpleNamespace(step=lambda _: None), SimpleNamespace(text="")  # type: ignore[assignment]
    prober = probe.Prober((), "")
    activation.account = SimpleNamespace(prober=prober)  # type: ignore[assignment]
    seen: list[float] = []
    monkeypatch.setattr(switch, "switch", lambda *_: None)
    monkeypatch.setattr(Paths, "release", lambda *_: Path("/nowhere"))
    monkeypatch.setattr(unitfiles, "install", lambda *_: False)
    monkeypatch.setattr(proof, "prove", lambda *_, **__: seen.append(prober.interval))
    held = SimpleNamespace(old=frozenset(), master=1, take_over=lambda: seen.append(prober.interval))
    activation.go("x", held)  # type: ignore[arg-type]
    assert seen == [probe.CLOSE_INTERVAL_SECONDS, probe.INTERVAL_SECONDS]


@pytest.mark.parametrize(
    ("returning", "status", "worker", "proved"),
    [
        (True, {}, {}, True),
        (False, {}, {}, False),
        (True, {"release": "another"}, {}, False),
        (True, {"incoming": 4}, {}, False),
        (True, {"pid": 1}, {}, False),
        (True, {}, {"phase": "booting"}, False),
        (True, {}, {"generation": 2}, False),
    ],
)
def test_a_way_back_is_judged_by_facts_where_answers_are_late(
    monkeypatch: pytest.MonkeyPatch, returning: bool, status: dict[str, Any], worker: dict[str, Any], proved: bool
) -> None:
    """A host that was behind with its work was given up as one that needs a person. The way there has to show it by answers."""
    activation = Activation.__new__(Activation)
    activation.paths, activation.standing, activation.rehearsed = Paths("raab"), {}, Rehearsed()
    activation.task, activation.returning = Task("x"), returning
    activation.account = SimpleNamespace(prober=None)  # type: ignore[assignment]
    activation.teller, activation.token = SimpleNamespace(step=lambda _: None), SimpleNamespace(text="")  # type: ignore[assignment]
    monkeypatch.setattr(switch, "switch", lambda *_: None)
    monkeypatch.setattr(Paths, "release", lambda *_: Path("/nowhere"))
    monkeypatch.setattr(unitfiles, "install", lambda *_: False)
    told = {**STATUS, "release": "x", "workers": [{**WORKER, **worker}], **status}
    monkeypatch.setattr(running, "ask", lambda *_, **__: told)
    monkeypatch.setattr(running, "children", lambda pid: frozenset({os.getpid()} if pid == os.getpid() else ()))

    def late(*_: Any, **__: Any) -> None:
        raise proof.Late("too late")

    monkeypatch.setattr(proof, "prove", late)
    held = SimpleNamespace(old=frozenset(), take_over=lambda: None)
    with contextlib.nullcontext() if proved else pytest.raises(proof.Late):
        activation.go("x", held)  # type: ignore[arg-type]


def test_what_a_release_says_of_its_settings_is_no_more_than_a_claim() -> None:
    """Whatever its code prints, root gets values of their kinds, or a reason."""
    said = {"bind": ["127.0.0.1:8000", "unix:/run/raab/http"], "admin_port": 0, "load_timeout": 60}
    noise = "what an application prints when it is imported\n"
    assert answers.settings(noise + json.dumps(said)) == (("127.0.0.1:8000", "unix:/run/raab/http"), 0, 60.0, ())
    assert answers.settings(json.dumps({**said, "barred": ["/etc/raab"]})).barred == ("/etc/raab",)
    hostile: list[Any] = [
        "", "[]", "{}", "null", "[" * 100_000, json.dumps({**said, "bind": "127.0.0.1:8000"}), json.dumps({**said, "bind": ["/etc/x:1"]}),
        json.dumps({**said, "bind": ["127.0.0.1:8000\x1b[2J"]}), json.dumps({**said, "admin_port": 70000}),
        json.dumps({**said, "admin_port": True}), json.dumps({**said, "load_timeout": "60"}), json.dumps({**said, "load_timeout": 1e300}),
        '{"bind": [], "admin_port": 0, "load_timeout": NaN}', json.dumps(said) + "\nmore",
        json.dumps({**said, "barred": "/etc"}), json.dumps({**said, "barred": ["/etc\x1b[2J"]}),
    ]  # fmt: skip
    for document in hostile:
        with pytest.raises(ValueError, match=r"\S"):
            answers.settings(document)


def test_a_master_of_before_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no variables that a start would get, and is followed by one that does."""
    asked: list[dict[str, Any]] = []

    def ask(paths: Paths, seconds: float, **request: Any) -> dict[str, Any]:
        asked.append(request)
        if "environment" in request:
            raise RaabError("control socket: not a request, got b'{...'")
        return {"good": True}

    steps: list[str] = []
    monkeypatch.setattr(activating, "ask", ask)
    teller: Any = SimpleNamespace(step=steps.append)
    assert activating.reloaded(Paths("shop"), {"environment": {"A": "1"}}, teller) == {"good": True}
    assert asked[1:] == [{"verb": "reload", "trial": False}] and "systemctl reload shop does" in steps[0]
