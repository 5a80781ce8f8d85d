"""Every verb of fab while nobody can be told: standard output or error full, closed, or a pipe without a reader. Nowhere a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test.deploy import forked

from raab.deploy.report import output

ROOT = Path(__file__).resolve().parents[2]
AWAY = ("--env", "away")
# Each verb, how it is typed here, where no host answers and no lab is, and its exit code.
VERBS = {
    "build": ((), 2), "deploy": (AWAY, 2), "doctor": (AWAY, 3), "drill": (("--list",), 0), "history": (AWAY, 3),
    "lock": ((), 2), "logs": (AWAY, 3),
    "remove": (("x", *AWAY), 2), "reboot": (AWAY, 2),
    "plan": (AWAY, 2), "releases": (AWAY, 3), "reload": (AWAY, 3), "restart": (AWAY, 3), "rollback": (AWAY, 3), "scale": (("1", *AWAY), 3),
    "run": ((*AWAY, "--", "true"), 3), "shell": (AWAY, 3), "secrets.import": (("/dev/null", *AWAY), 2), "secrets.list": (AWAY, 2),
    "maintenance": (("on", *AWAY), 2),
    "host.add": (("x", *AWAY), 2), "host.remove": (("x", *AWAY), 2),
    "secrets.rm": (("X", *AWAY), 2), "secrets.set": (("X", "--from", "printf x", *AWAY), 2),
    "status": (AWAY, 3), "unlock": (AWAY, 3), "lab.cut": (("x",), 1), "lab.down": ((), 0), "lab.fresh": (("x",), 1),
    "lab.heal": (("x",), 1), "lab.kill": (("x",), 1), "lab.list": ((), 0),
    "lab.reboot": (("x",), 1), "lab.start": (("x",), 1), "lab.up": (("--hosts", "x"), 1),
}  # fmt: skip
FAB = str(Path(sys.executable).parent / "fab")
ALL = [(way, stream) for way in ("full", "closed", "gone") for stream in (1, 2)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "deploy").mkdir()
    (root / "fabfile.py").write_text((ROOT / "fabfile.py").read_text())
    (root / "deploy/away.yaml").write_text("hosts: {h1: {address: 127.0.0.1, port: 1}}\n")
    return root


def begun_anew(project: Path, words: tuple[str, ...], way: str, stream: int) -> tuple[int, str]:
    """The exit code, and what the other stream has got, of a process of its own."""
    reader, gone = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    ends = [subprocess.PIPE, subprocess.PIPE]
    ends[stream - 1] = {"gone": gone, "full": full, "closed": subprocess.PIPE}[way]
    shell = ("sh", "-c", f'exec "$@" {stream}>&-' if way == "closed" else 'exec "$@"', "sh")
    try:
        done = subprocess.run(
            (*shell, FAB, *words), cwd=project, stdout=ends[0], stderr=ends[1], text=True, timeout=120,
            env={**os.environ, "RAAB_LAB": f"none{os.getpid()}"},
        )  # fmt: skip
    finally:
        os.close(gone)
        os.close(full)
    return done.returncode, (done.stdout or "") + (done.stderr or "")


def run(project: Path, words: tuple[str, ...], way: str, stream: int) -> tuple[int, str]:
    """The same of a fork."""
    reader, gone = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        end = {"gone": gone, "full": full, "closed": None}[way]
        done = forked.fab(project, *words, streams={stream: end}, RAAB_LAB=f"none{os.getpid()}")
    finally:
        os.close(gone)
        os.close(full)
    return done.returncode, done.stdout + done.stderr


def test_the_table_has_every_verb(project: Path) -> None:
    listed = json.loads(subprocess.run((FAB, "--list", "--list-format=json"), cwd=project, capture_output=True, check=True).stdout)
    names = [task["name"] for task in listed["tasks"]]
    names += [f"{room['name']}.{task['name']}" for room in listed["collections"] for task in room["tasks"]]
    assert sorted(names) == sorted(VERBS)


@pytest.mark.parametrize(
    ("way", "stream"), [("full", 1), ("gone", 2), *(pytest.param(*one, marks=pytest.mark.prove) for one in ALL)], ids=str
)
def test_no_verb_minds(project: Path, way: str, stream: int) -> None:
    """The exit code is the verb's own; where what was asked for could not be written, it is no success."""

    def one(verb: str) -> None:
        words, code = VERBS[verb]
        # Who has read enough of a log ends it.
        code = 0 if (verb, way, stream) == ("logs", "gone", 1) else code
        ended, said = run(project, (verb, *words), way, stream)
        assert "Traceback" not in said and "Exception" not in said, (verb, said)
        lost = (way, stream) == ("full", 1) and "stdout: cannot be written, got No space left on device" in said
        assert ended == (code or int(lost)), (verb, ended, said)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, VERBS))


@pytest.mark.parametrize(("way", "stream"), ALL)
def test_a_fork_says_what_a_process_says(project: Path, way: str, stream: int) -> None:
    """Of streams that Python has found as they are; all of the above relies on that."""
    for words in (("status", *AWAY), ("lab.list",)):
        assert run(project, words, way, stream) == begun_anew(project, words, way, stream)


def test_a_list_is_as_patient(project: Path) -> None:
    """Fabric's own words go the same way."""
    code, said = run(project, ("--list",), "full", 1)
    assert code in (0, 1) and "Traceback" not in said and "Exception" not in said


def test_what_is_dropped_is_known() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = output.Output(full)
    assert stream.write(b"abc") == 3 and stream.trouble is not None
    assert stream.write(b"def") == 3
    os.close(full)


def test_what_is_said_at_once_waits_for_nobody() -> None:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"x" * 65536)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    output.say(writer, "words", 0.05)
    os.close(reader)
    output.say(writer, "words", 0.05)
    os.close(writer)
