"""`raab metrics`, `raab drain` and `raab undrain` as somebody on the host types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.host.command.cli import main
from raab.metrics.slot import Slot
from raab.web.health import drained


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    return tmp_path


def test_metrics_of_a_stopped_service_say_so(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was counted is still told; raab_up is 0."""
    Slot(runtime / "metrics").observe("GET", "/", 200, 0.1, 1)
    assert main(["metrics"]) == 0
    said = capsys.readouterr().out
    assert f'raab_up{{service="{runtime.name}"}} 0\n' in said
    assert f'raab_http_request_duration_seconds_count{{service="{runtime.name}",method="GET",route="/",status="200"}} 1\n' in said


def test_drain_leaves_a_mark_and_undrain_takes_it_away(capsys: pytest.CaptureFixture[str]) -> None:
    """Each may be said twice."""
    for verb, expected in (("drain", True), ("drain", True), ("undrain", False), ("undrain", False)):
        assert main([verb]) == 0
        assert drained() is expected
    assert "requests are still served" in capsys.readouterr().out


def test_drain_follows_no_link(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The directory belongs to the service's user, the command may run as root."""
    (runtime / "drain").symlink_to(runtime / "elsewhere")
    assert main(["drain"]) == 1
    assert "is no mark of raab's" in capsys.readouterr().err
    assert not (runtime / "elsewhere").exists()


def test_drain_without_the_service_is_one_error(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, as for every command that needs it."""
    runtime.rmdir()
    assert main(["drain"]) == 3
    assert "so the service is not running" in capsys.readouterr().err
