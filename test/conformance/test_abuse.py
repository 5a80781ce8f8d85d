"""One who means harm: others wait hardly longer than if he did the same to somebody else on the same machine."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Kind, Mix, Sample

from .service import Service, serving

SENDER = Path(__file__).with_name("sender.py")
OTHERS = Mix(path="/livez", fresh=50, reused=150, timeout=20)
# Kibibytes by which a worker may grow meanwhile: a thousand connections cost some 20 each.
ROOM = 48 * 1024


@contextmanager
def sending(*order: object) -> Iterator[str]:
    """A process of sender.py and the first line that it prints."""
    command = [sys.executable, str(SENDER), *map(str, order)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="module", autouse=True)
def many_files() -> None:
    """The service inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one worker, which everybody has to share with the sender; it is killed when it is silent for 5 s."""
    with serving(tmp_path_factory.mktemp("alone"), RAAB_SERVER__TIMEOUT="5") as running:
        yield running


@pytest.fixture(scope="module")
def others(alone: Service) -> Iterator[Load]:
    """What all others ask meanwhile, all the time."""
    with Load([alone.address], OTHERS) as load:
        yield load


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[str, int]]:
    """Where the same can be sent without any harm."""
    with sending("sink") as port:
        yield "127.0.0.1", int(port)


@dataclass
class Shares:
    """What others have seen while the sender was at the sink, and while it was at the service."""

    beside: list[Sample] = field(default_factory=list)
    beset: list[Sample] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return p99(self.beset) / p99(self.beside)

    def __str__(self) -> str:
        waits = f"p99 {p99(self.beset) * 1000:.1f} ms, beside a sink {p99(self.beside) * 1000:.1f} ms"
        return f"{waits}, {self.ratio:.2f} of {len(self.beset)} requests"


def due(others: Load, begun: float, end: float) -> list[Sample]:
    """What became of all that was due within that time, once it is known of all: of what is still waited for, too."""
    expected = 0.95 * (OTHERS.fresh + OTHERS.reused) * (end - begun)
    limit = time.monotonic() + OTHERS.timeout + 5
    while True:
        samples = [sample for sample in others.account.samples if begun <= sample.at < end]
        if len(samples) >= expected:
            return samples
        assert time.monotonic() < limit, f"{len(samples)} of {expected:.0f} have their end"
        time.sleep(0.1)


def p99(samples: list[Sample]) -> float:
    """Seconds that 99 of 100 did not wait longer than; one without an answer has waited for ever."""
    waits = sorted(sample.wait if sample.kind is Kind.OK else math.inf for sample in samples)
    return waits[math.ceil(len(waits) * 0.99) - 1]


def peak(pid: int) -> int:
    """Kibibytes that the process has held at most (proc_pid_status(5), VmHWM)."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0])


def unharmed(
    service: Service, others: Load, sink: tuple[str, int], *order: object, seconds: float, rounds: int, tries: int = 1, most: float = 2
) -> None:
    """What holds for every kind of harm: p99 twice that beside a sink at most, every request answered, no worker killed, nothing hoarded.

    In turns, under one load, `rounds` times. `tries`: a second's p99 is that of its two slowest requests, and who else is at work on this
    machine decides on those; so it is enough for one try of several to be good. A worker that is frozen is never good. `most`: how many
    times longer others may wait.
    """
    kind, *rest = order
    before = {pid: peak(pid) for pid in service.pids()}
    for _ in range(tries):
        shares = Shares()
        for _ in range(rounds):
            for target, samples in ((sink, shares.beside), (service.address, shares.beset)):
                with sending(kind, *target, *rest) as ready:
                    assert ready
                    begun = time.monotonic()
                    time.sleep(seconds)
                    end = time.monotonic()
                samples += due(others, begun, end)
        print(f"{order}: {shares}")
        failed = [sample for sample in shares.beset if sample.kind is not Kind.OK]
        assert not failed, failed[:3]
        assert service.pids() == list(before), service.log.read_text()[-2000:]
        grown = max(peak(pid) - kibibytes for pid, kibibytes in before.items())
        assert grown < ROOM
        assert "Traceback" not in service.log.read_text()
        if shares.ratio <= most:
            return
    raise AssertionError(f"{order}: {shares}")


POURS = [("/nothing-of-the-kind", "length"), ("/livez", "chunked"), ("/upload?1000", "chunked"), ("/unread", "small")]


@pytest.mark.parametrize(("path", "framing"), POURS)
def test_a_body_without_end(alone: Service, others: Load, sink: tuple[str, int], path: str, framing: str) -> None:
    """Poured into a path that nobody has, into the health check, into a view that reads it by small parts, into one that does not read."""
    unharmed(alone, others, sink, "pour", path, framing, seconds=1, rounds=1, tries=4)


@pytest.mark.parametrize(
    ("kind", "count"), [("heads", 500), ("bodies", 500), ("heads", 1050), pytest.param("seconds", 1050, marks=pytest.mark.prove)]
)
def test_half_requests(alone: Service, others: Load, sink: tuple[str, int], kind: str, count: int) -> None:
    """They have begun a head, or a body, and hardly go on. 1,050 are more than the worker takes connections: the oldest makes room."""
    unharmed(alone, others, sink, kind, count, seconds=1, rounds=1, tries=4)


def test_half_requests_after_whole_ones(alone: Service, others: Load, sink: tuple[str, int]) -> None:
    """They make room as well, on a busy machine too, where nothing finer can be told: others do not wait for as long as they go on, which
    would be several hundred times as long."""
    unharmed(alone, others, sink, "seconds", 1050, seconds=5, rounds=1, tries=2, most=100)


@pytest.mark.prove
@pytest.mark.parametrize("framing", ["length", "chunked", "small"])
@pytest.mark.parametrize(
    "path", ["/nothing-of-the-kind", "/livez", "/flask/data", "/flask/nothing", "/upload?line", "/upload?3", "/unread"]
)
def test_thirty_seconds_of_a_body_without_end(alone: Service, others: Load, sink: tuple[str, int], path: str, framing: str) -> None:
    """In two turns of 15 s each, which is three times what a silent worker is given."""
    unharmed(alone, others, sink, "pour", path, framing, seconds=15, rounds=2)


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "count"), [("heads", 500), ("heads", 2100), ("drips", 500), ("drips", 2100), ("bodies", 1000), ("refusals", 2100)]
)
def test_thirty_seconds_of_half_requests(tmp_path: Path, sink: tuple[str, int], kind: str, count: int) -> None:
    """As many workers and connections as are packaged: 2,100 half heads are more than both take."""
    with serving(tmp_path, RAAB_SERVER__WORKERS="2") as running, Load([running.address], OTHERS) as load:
        unharmed(running, load, sink, kind, count, seconds=15, rounds=2)


@pytest.mark.prove
def test_thirty_seconds_of_who_is_refused_and_stays(tmp_path: Path, sink: tuple[str, int]) -> None:
    """They are sent away to make room, and come again a thousand a second, which the sink has nothing like; so nothing is said of how much
    longer others wait. Each of them is answered, and nothing is hoarded."""
    with serving(tmp_path, RAAB_SERVER__WORKERS="2") as running, Load([running.address], OTHERS) as load:
        unharmed(running, load, sink, "refusals", 2100, seconds=15, rounds=2, most=math.inf)
