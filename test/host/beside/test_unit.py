"""The unit files of processes and timers: the service's surroundings, with a command of one release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.beside import unit
from raab.host.paths import Paths
from raab.protocol.processes import Process, Table, Timer

ROOT = Path(__file__).parents[3]
ID = "20260101T000000Z-aaaaaaa"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host with a release of the service `shop`."""
    paths = Paths("shop", opt=tmp_path / "opt", etc=tmp_path / "etc", run=tmp_path / "run")
    release = paths.release(ID)
    (release / "app").mkdir(parents=True)
    shutil.copytree(ROOT / "systemd", release / "systemd")
    tables = {"processes": [{"name": "worker", "command": "rq worker"}], "timers": [{"name": "tidy", "command": "t", "schedule": "daily"}]}
    paths.manifest(ID).write_text(json.dumps({"variables": ["FLASK_APP=shop:app"], **tables}))
    return paths


def lines(paths: Paths, process: Process, number: int = 1) -> list[str]:
    return unit.Texts(paths, paths.release(ID)).process(process, number).splitlines()


def test_it_has_the_service_s_own_surroundings_and_nothing_by_which_the_web_is_run(paths: Paths) -> None:
    folder = paths.units / "shop.service.d"
    folder.mkdir(parents=True)
    (folder / "more.conf").write_text("[Service]\nEnvironment=HOST=%n\nExecStartPre=/bin/false\nSockets=shop.socket\n")
    found = lines(paths, Process("worker", "rq worker"))
    assert {"User=shop", "ProtectSystem=strict", "LoadCredential=raab:/etc/shop/credentials", "Environment=HOST=shop.service"} <= set(found)
    assert "RuntimeDirectoryPreserve=yes" in found
    assert not [line for line in found if line.startswith(("ExecStartPre", "ExecReload", "WatchdogSec", "Sockets", "FileDescriptorStore"))]
    assert sum(line.startswith("ExecStart=") for line in found) == 1
    assert f"WorkingDirectory={paths.release(ID)}/app" in found
    assert 'Environment="FLASK_APP=shop:app"' in found


def test_a_command_reaches_the_shell_as_it_stands(paths: Paths) -> None:
    """systemd makes neither variables nor specifiers of it."""
    found = lines(paths, Process("worker", """rq worker "a %h" --name '$HOME' "$QUEUE" """.strip()))
    command = next(line for line in found if line.startswith("ExecStart="))
    assert command.startswith("ExecStart=:/bin/sh -c ")
    assert command.endswith("""exec rq worker \\"a %%h\\" --name '$HOME' \\"$QUEUE\\"\"""")


def test_how_it_is_stopped_and_proved_is_the_process_s_own(paths: Paths) -> None:
    found = lines(paths, Process("worker", "w", signal="INT", seconds=0.5, ready="notify", allow=("jit",)), 3)
    assert {"KillSignal=SIGINT", "TimeoutStopSec=500ms", "Type=notify", "MemoryDenyWriteExecute=no", "KillMode=mixed"} <= set(found)
    assert "Description=worker 3 of shop" in found
    # The last assignment counts.
    assert found.index("MemoryDenyWriteExecute=yes") < found.index("MemoryDenyWriteExecute=no")
    assert "Type=exec" in lines(paths, Process("worker", "w"))


def test_a_file_tells_which_release_it_is_of(paths: Paths) -> None:
    texts = unit.Texts(paths, paths.release(ID))
    timer = Timer("tidy", "t", "*-*-* 03:00", persistent=True)
    for text in (texts.process(Process("worker", "w"), 1), texts.run(timer), texts.timer(timer)):
        assert unit.release_of(text) == ID
    assert "OnCalendar=*-*-* 03:00\nPersistent=yes" in texts.timer(timer)
    assert unit.release_of("# Written by raab: worker-1 of the release ../../etc.\n") == ""
    assert unit.release_of("[Unit]\n") == ""


def test_a_release_says_what_it_has_and_one_of_before_has_nothing(paths: Paths) -> None:
    assert unit.table(paths.release(ID)) == Table((Process("worker", "rq worker"),), (Timer("tidy", "t", "daily"),))
    paths.manifest(ID).write_text("{}")
    assert unit.table(paths.release(ID)) == Table()


@pytest.mark.parametrize(
    ("name", "told"),
    [("worker-1", ("worker", 1)), ("a-b-12", ("a-b", 12)), ("worker", None), ("worker-0", None), ("a-1-2", None), ("-1", None)],
)
def test_an_instance_is_a_process_and_a_number(name: str, told: tuple[str, int] | None) -> None:
    assert unit.instance(name) == told


def test_another_secret_or_environment_file_makes_another_unit(paths: Paths) -> None:
    """Which a reload compares: what runs by the old one is started anew. The file tells nothing of what they hold."""
    environment, secrets = paths.etc / "shop/environment", paths.etc / "shop/credentials"
    secrets.mkdir(parents=True)
    unit_file = paths.release(ID) / "systemd/raab.service"
    unit_file.write_text(unit_file.read_text().replace("/etc/%p/", f"{paths.etc}/%p/"))
    found = [lines(paths, Process("worker", "w"))]
    environment.write_text("LEVEL=1\n")
    found.append(lines(paths, Process("worker", "w")))
    (secrets / "KEY").write_text("hush")
    found.append(lines(paths, Process("worker", "w")))
    (secrets / "KEY").write_text("hush, hush")
    found.append(lines(paths, Process("worker", "w")))
    assert len({one[1] for one in found}) == 4
    assert found[0][2:] == found[3][2:] and lines(paths, Process("worker", "w")) == found[3]
    assert "hush" not in "".join(found[3])


def test_an_addition_that_the_release_does_not_have_is_named(paths: Paths) -> None:
    (paths.release(ID) / "systemd/allow/jit.conf").unlink()
    with pytest.raises(RaabError, match="allow: the release has no such addition, got jit"):
        lines(paths, Process("worker", "w", allow=("jit",)))
