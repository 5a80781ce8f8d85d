"""What a taken-over worker may leave for root to read: each kind is refused at once, and nothing is followed or waited for."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.command.cli import main
from raab.host.master.counters import counted
from raab.host.paths import here
from raab.metrics.layout import SERIES, SLOT_BYTES
from raab.metrics.reading import read as read_slots
from raab.metrics.slot import LazySlot, Slot
from raab.plain import plain
from raab.untrusted import UntrustedError, read

pytestmark = pytest.mark.timeout(20)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.with_name("root's own").write_bytes(b"secret")
    path.symlink_to("root's own")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def somebody_elses(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path.write_bytes(b"secret")
    os.chown(path, 12345, 12345)


HOSTILE = [fifo, link, dangling, endless, folder, listening, huge, somebody_elses]


@pytest.mark.parametrize("make", HOSTILE)
def test_only_a_small_file_of_the_folders_owner_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "file")
    with pytest.raises(UntrustedError):
        read(tmp_path / "file", 1000)


def test_a_plain_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    assert read(tmp_path / "file", 1000) == b"x" * 1000
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none", 1000)


def test_a_terminal_gets_no_control_characters() -> None:
    assert plain("a\x1b]0;owned\x07\nb\u202ec", 14) == r"a\x1b]0;owned\x07\nb\u202e"


@pytest.mark.parametrize("name", ["0.slot", "0.names"])
@pytest.mark.parametrize("make", [*HOSTILE])
def test_a_hostile_slot_gives_no_metrics_and_stops_no_worker(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    """Two lines for whoever asks; of the worker that meets it at its start, no more than a line in its log."""
    left_by_a_worker(tmp_path / "metrics")
    (tmp_path / "metrics" / name).unlink()
    make(tmp_path / "metrics" / name)
    if (make, name) != (huge, "0.slot"):
        # A sparse file of whatever length: no more than a slot of it is read.
        with pytest.raises(UntrustedError):
            read_slots(tmp_path / "metrics")
        assert LazySlot(tmp_path / "metrics").get() is None
    assert len(read_or_nothing(tmp_path / "metrics")) < 20_000


def left_by_a_worker(folder: Path) -> None:
    """A slot that nobody holds any more, with one series."""
    child = os.fork()
    if child == 0:
        Slot(folder).observe("GET", "/", 200, 0.1, 1)
        os._exit(0)
    os.waitpid(child, 0)


def read_or_nothing(folder: Path) -> str:
    try:
        return str(read_slots(folder))
    except UntrustedError:
        return ""


@pytest.mark.parametrize(
    "line",
    ["{}", "7", "[1, 2, 3]", '["GET", "/", "200"]', '["GET", "/", true]', '["GET"]', "[" * 100_000, "NaN", "not JSON", '["a", "b", 1, 2]'],
)
def test_names_that_are_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "0.slot").write_bytes(bytes(SLOT_BYTES))
    (tmp_path / "0.names").write_text(f"{line}\n")
    with pytest.raises(UntrustedError, match="not the name of a series"):
        read_slots(tmp_path)
    assert LazySlot(tmp_path).get() is None


def test_more_series_than_a_slot_has(tmp_path: Path) -> None:
    (tmp_path / "0.slot").write_bytes(bytes(SLOT_BYTES))
    (tmp_path / "0.names").write_text(f"{json.dumps(['GET', '/', 200])}\n" * (SERIES + 1))
    with pytest.raises(UntrustedError, match="more than 500 series"):
        read_slots(tmp_path)


def test_a_folder_that_is_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "raab"))
    (tmp_path / "raab").mkdir()
    (tmp_path / "raab" / "metrics").symlink_to("/etc")
    with pytest.raises(RaabError, match="not a folder"):
        counted(here(os.environ))
    assert main(["metrics"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e300])
@pytest.mark.parametrize("place", [0, 1])
def test_numbers_that_nobody_counted(tmp_path: Path, number: float, place: int) -> None:
    """In the worker's own block and in a series'."""
    slot = Slot(tmp_path)
    slot.observe("GET", "/", 200, 0.1, 1)
    with (tmp_path / "0.slot").open("r+b") as file:
        file.seek(place * 15 * 8)
        file.write(struct.pack("d", number))
    with pytest.raises(UntrustedError, match="not numbers"):
        read_slots(tmp_path)


@pytest.mark.parametrize("make", [fifo, folder, link, dangling, listening])
def test_a_hostile_drain_is_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    make(tmp_path / "drain")
    assert main(["drain"]) == 1
    assert "is no mark of raab's" in capsys.readouterr().err
    assert main(["undrain"]) == (1 if make is folder else 0)
    assert len(capsys.readouterr().err.splitlines()) == (2 if make is folder else 0)
