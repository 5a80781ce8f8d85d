"""Request metrics over many workers and generations."""

from __future__ import annotations

import multiprocessing
import os
import struct
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.metrics.exposition import Sample, Told, render
from raab.metrics.layout import BOUNDS, LAYOUT, SERIES, Name
from raab.metrics.reading import Tally, read
from raab.metrics.slot import LazySlot, Slot

FORK = multiprocessing.get_context("fork")


def worker(folder: Path, requests: int, unfinished: int = 0) -> None:
    """A worker that answers so many requests and is then killed in the middle of others."""
    slot = Slot(folder)
    for number in range(requests):
        slot.enter()
        slot.observe("GET", "/cart/<id>", 200 if number % 10 else 500, 0.02, 100)
        slot.leave()
    for _ in range(unfinished):
        slot.enter()
    os._exit(9)


def run(folder: Path, requests: int, unfinished: int = 0) -> None:
    process = FORK.Process(target=worker, args=(folder, requests, unfinished))
    process.start()
    process.join()


def test_a_series_is_counted(tmp_path: Path) -> None:
    """Count, seconds, bytes and the bucket, a bound being in its own."""
    slot = Slot(tmp_path)
    for seconds in (0.001, 0.005, 0.3, 99.0):
        slot.observe("GET", "/", 200, seconds, 10)
    (series,) = read(tmp_path).series
    assert (series.name, series.total, series.seconds, series.bytes) == (Name("GET", "/", 200), 4, 99.306, 40)
    assert [index for index, count in enumerate(series.buckets) if count] == [0, BOUNDS.index(0.5), len(BOUNDS)]


def test_counters_never_fall_and_files_do_not_pile_up(tmp_path: Path) -> None:
    """Two hundred generations, each ended by SIGKILL or the like: every request is still counted, in one slot."""
    total = 0
    for generation in range(200):
        run(tmp_path, generation % 3, unfinished=1)
        total += generation % 3
        assert sum(series.total for series in read(tmp_path).series) == total
    assert len(list(tmp_path.iterdir())) == 2


def test_a_scrape_after_many_reloads_reads_no_more_than_after_one(tmp_path: Path) -> None:
    """The same files of the same size, and as many lines: so it takes as long."""
    run(tmp_path, 10)
    first = load(tmp_path)
    for _ in range(100):
        run(tmp_path, 10)
    assert load(tmp_path) == first


def load(folder: Path) -> tuple[dict[str, int], int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}, len(render(Told("raab", read(folder))).splitlines())


def test_living_workers_have_slots_of_their_own(tmp_path: Path) -> None:
    """Summed by the reader; in flight is what the living have in flight."""
    run(tmp_path, 5, unfinished=7)
    assert read(tmp_path).in_flight == 0
    slots = [Slot(tmp_path) for _ in range(3)]
    for slot in slots:
        slot.enter()
        slot.observe("GET", "/cart/<id>", 200, 0.1, 1)
    reading = read(tmp_path)
    assert reading.in_flight == 3
    assert {series.name.status: series.total for series in reading.series} == {200: 4 + 3, 500: 1}
    slots[0].leave()
    assert read(tmp_path).in_flight == 2


def test_clients_cannot_make_up_series_without_end(tmp_path: Path) -> None:
    """Methods that do not exist are one; and beyond a bound all else is one."""
    slot = Slot(tmp_path)
    for number in range(50):
        slot.observe(f"M{number}", "/", 405, 0.1, 1)
    assert [series.name.method for series in read(tmp_path).series] == ["other"]
    for number in range(SERIES * 2):
        slot.observe("GET", "/", number, 0.1, 1)
    reading = read(tmp_path)
    assert len(reading.series) == SERIES
    assert sum(series.total for series in reading.series) == 50 + SERIES * 2


def test_the_group_may_read(tmp_path: Path) -> None:
    """Under the unit's UMask=0077 too: who watches a host is seldom root."""
    before = os.umask(0o077)
    try:
        Slot(tmp_path / "metrics")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "metrics", *(tmp_path / "metrics").iterdir())}
    assert modes == {"metrics": 0o750, "0.slot": 0o640, "0.names": 0o640}


def test_a_slot_that_cannot_be_had_refuses_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once."""
    (tmp_path / "file").touch()
    lazy = LazySlot(tmp_path / "file")
    assert lazy.get() is None
    assert lazy.get() is None
    assert caplog.text.count("no metrics") == 1


def test_a_reader_sees_no_half_written_name(tmp_path: Path) -> None:
    """A writer may be at it."""
    slot = Slot(tmp_path)
    slot.observe("GET", "/", 200, 0.1, 1)
    with (tmp_path / "0.names").open("a") as names:
        names.write('["GET", "/ca')
    assert [series.name.route for series in read(tmp_path).series] == ["/"]


def test_what_speaks_against_a_worker_is_told_of_it_alone(tmp_path: Path) -> None:
    """Its errors, and the answers that it cut; not what clients do, or take too long for, nor what the worker before it did."""
    run(tmp_path, 100)
    assert read(tmp_path).workers == {}
    slot = Slot(tmp_path)
    for status, aborted in ((200, ""), (404, ""), (503, ""), (200, "client"), (200, "application"), (200, "time limit")):
        slot.observe("GET", "/", status, 0.1, 5, aborted)
    slot.observe("GET", "/livez", 200, 0.1, 5, ours=True)
    reading = read(tmp_path)
    assert reading.workers == {os.getpid(): Tally(6, 2)}
    assert reading.aborted == {"client": 1, "application": 1, "time limit": 1, "worker": 0}
    assert len(list(tmp_path.iterdir())) == 2


def test_prometheus_can_read_it(tmp_path: Path) -> None:
    """Its own parser, labels that need escaping included."""
    parser = pytest.importorskip("prometheus_client.parser")
    slot = Slot(tmp_path)
    slot.enter()
    slot.observe("GET", '/a"b\\c\nd', 200, 0.02, 7)
    workers = Sample("raab_workers", "gauge", "Workers.", (({"phase": "serving"}, 2), ({"phase": "x"}, 0.5)))
    text = render(Told("shop", read(tmp_path), [workers]))
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    http = {f"raab_http_{name}" for name in ("requests_in_flight", "request_duration_seconds", "response_bytes", "responses_aborted")}
    assert set(families) == http | {"raab_workers"}
    duration = families["raab_http_request_duration_seconds"]
    assert duration.type == "histogram"
    assert duration.samples[0].labels == {"service": "shop", "method": "GET", "route": '/a"b\\c\nd', "status": "200", "le": "0.005"}
    assert [sample.value for sample in duration.samples if sample.name.endswith("_bucket")] == [0, 0, *[1] * 10]
    assert [sample.value for sample in duration.samples if not sample.name.endswith("_bucket")] == [0.02, 1]
    assert [sample.value for sample in families["raab_workers"].samples] == [2, 0.5]


def spoken(folder: Path, version: int) -> None:
    """Have the first slot be of a worker whose raab counts so."""
    with (folder / "0.slot").open("r+b") as file:
        file.seek(LAYOUT * 8)
        file.write(struct.pack("d", version))


def test_a_worker_of_a_newer_raab_is_not_misread(tmp_path: Path) -> None:
    """Who reads says what helps; what such workers have left holds nobody up, and their slots are begun anew."""
    run(tmp_path, 3)
    spoken(tmp_path, 2)
    assert read(tmp_path).series == ()
    slot = Slot(tmp_path)
    slot.observe("PUT", "/", 200, 0.1, 10)
    assert [(series.name.method, series.total) for series in read(tmp_path).series] == [("PUT", 1)]
    spoken(tmp_path, 2)
    with pytest.raises(RaabError, match="a worker counts in version 2, and this raab reads version 1\nhint: deploy a release") as caught:
        read(tmp_path)
    assert not isinstance(caught.value, OSError)


@pytest.mark.parametrize("told", [0, 1])
def test_slots_of_before_there_were_versions_are_gone_on_with(tmp_path: Path, told: int) -> None:
    run(tmp_path, 3)
    spoken(tmp_path, told)
    run(tmp_path, 4)
    assert sum(series.total for series in read(tmp_path).series) == 7
