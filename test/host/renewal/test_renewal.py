"""What a start would get: what can be said of it without systemd. test/lab/test_next_start.py asks systemd itself."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host import processes, systemd
from raab.host.paths import Paths
from raab.host.renewal import credentials, directives, tell, twin, variables
from raab.host.units import inquiry, sandbox, unit

NOTHING: dict[str, list[Any]] = {name: [] for name in ("Environment", "EnvironmentFiles", "PassEnvironment", "UnsetEnvironment",
    "LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted")}  # fmt: skip


def test_variables_of_the_process_are_no_change() -> None:
    """Each start makes them anew; every other one counts, be it new, gone or different."""
    held = {"INVOCATION_ID": "1", "LISTEN_FDS": "2", "HANDOVER_CHANNEL": "5", "CREDENTIALS_DIRECTORY": "/a", "A": "1", "B": "1", "C": "1"}
    wanted = {"INVOCATION_ID": "2", "A": "1", "B": "2", "D": "1"}
    assert variables.changed(held, wanted) == ["B", "C", "D"]
    assert variables.changed(held, held) == []


def test_variables_that_a_process_makes_by_itself_are_no_change() -> None:
    """Nobody gave them; the program that tells what it was given (Python itself makes one where there is no locale) leaves them out."""
    done = subprocess.run((sys.executable, "-IS", tell.__file__), env={"A": "1", "PATH": "/"}, capture_output=True)
    told = json.loads(done.stdout.strip().removeprefix(b"raab: "))
    assert told[0] == {"A": "1", "PATH": "/"} and told[1] == ["LC_CTYPE"]
    assert variables.changed({"A": "1", "LC_CTYPE": "of the library"}, {"A": "1"}, told[1]) == []


def test_a_successor_keeps_what_is_of_the_process() -> None:
    """For it is the same service to systemd; all else it has as by a start."""
    held = {"RUNTIME_DIRECTORY": "/run/raab", "A": "1", "GONE": "1"}
    assert variables.renewed(held, {"A": "2", "RUNTIME_DIRECTORY": "/else"}) == {"RUNTIME_DIRECTORY": "/run/raab", "A": "2"}


@pytest.mark.parametrize("word", ["A=b c", "A=%n 100%", 'A="q"', "A=a\\nb", "A=two\nlines", "A=é☃", "A='x'", "A=$HOME ${X}"])
def test_a_word_of_a_unit_file_means_itself(word: str) -> None:
    """Specifiers, escapes and quotes of its own are left in it by systemd; for what is no specifier it reads as a shell would."""
    quoted = sandbox.quoted(word)
    assert quoted.isprintable()
    back = quoted[1:-1].replace("%%", "%").encode().decode("unicode_escape").encode("latin-1", "replace")
    assert back.decode() == word if word.isascii() else shlex.split(quoted) == [word]


def test_the_twin_gets_what_the_service_gets() -> None:
    """Every directive that makes variables or credentials, in its order."""
    found = {
        **NOTHING,
        "Environment": ["A=b c", "B=%i"],
        "EnvironmentFiles": [["/etc/a%b", False], ["/etc/c", True]],
        "PassEnvironment": ["TERM"],
        "UnsetEnvironment": ["LANG"],
        "LoadCredential": [["raab", "/etc/raab/credentials"]],
        "LoadCredentialEncrypted": [["x", "/etc/x"]],
        "SetCredential": [["y", [97, 10]]],
        "SetCredentialEncrypted": [["z", [1, 2, 3]]],
    }
    assert twin.lines(found).splitlines() == [
        'Environment="A=b c"',
        'Environment="B=%%i"',
        "EnvironmentFile=/etc/a%%b",
        "EnvironmentFile=-/etc/c",
        'PassEnvironment="TERM"',
        'UnsetEnvironment="LANG"',
        "LoadCredential=raab:/etc/raab/credentials",
        "LoadCredentialEncrypted=x:/etc/x",
        "SetCredential=y:\\x61\\x0a",
        "SetCredentialEncrypted=z:AQID",
    ]


def test_what_a_later_line_takes_back_is_not_given() -> None:
    """Of a unit that systemd need not know yet, in the order in which it would read it."""
    lines = ["User=x", "Environment=A=1", "LoadCredential=raab:/a", "Environment=", "Environment=B=2", "EnvironmentFile=-/e"]
    lines += ["ProtectHome=yes", "LoadCredential= ", "SetCredential=service:x"]
    assert twin.effective(lines) == ["Environment=B=2", "EnvironmentFile=-/e", "SetCredential=service:x"]


def test_a_directive_that_nobody_had_is_a_change() -> None:
    """Of commands only: systemd names each other directive always, and a newer one knows more of them."""
    held = {"LimitNOFILE": "1", "UMask": "2", "ExecStart": "a"}
    wanted = {"LimitNOFILE": "2", "UMask": "2", "ExecStart": "a", "ExecStartPre": "b", "PrivateNews": "yes"}
    assert directives.changed(held, wanted) == ["ExecStartPre", "LimitNOFILE"]
    assert directives.changed(wanted, held) == ["ExecStartPre", "LimitNOFILE"]


def test_credentials_are_written_as_systemd_has_them(tmp_path: Path) -> None:
    """New ones come, changed ones are replaced, others go; nobody but the service's user may read them."""
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "same").write_bytes(b"same")
    before = (tmp_path / "same").stat().st_ino
    wanted = {"same": b"same", "new": b"\0new"}
    credentials.write(tmp_path, wanted)
    assert credentials.contents(tmp_path) == wanted
    assert (tmp_path / "same").stat().st_ino == before
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o400


def test_credentials_come_back_when_they_are_not_taken_up(tmp_path: Path) -> None:
    """However what goes on meanwhile ends."""
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(SystemExit), credentials.given(tmp_path, {"a": b"new"}) as names:
        assert (names, (tmp_path / "a").read_bytes()) == (["a"], b"new")
        raise SystemExit(143)
    assert (tmp_path / "a").read_bytes() == b"old"
    with credentials.given(tmp_path, {"a": b"new"}):
        pass
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_service_that_ends_between_two_questions_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words: nobody runs (pid 0), the process has ended, or is ending and has nothing more; its credentials' folder has gone."""
    ended = subprocess.Popen(["true"])
    # Not reaped: a process that is ending.
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    gone = subprocess.Popen(["true"])
    gone.wait()
    for pid in (0, ended.pid, gone.pid):
        monkeypatch.setattr(systemd, "main_pid", lambda unit, pid=pid: pid)
        with pytest.raises(
            RaabError, match=r"raab.service: it does not run any more, got no variables of a master\nhint: systemctl status"
        ):
            variables.held(Paths("raab"))
    ended.wait()
    monkeypatch.setattr(systemd, "main_pid", lambda unit: os.getpid())
    assert variables.held(Paths("raab")) == processes.environment(os.getpid()) != {}
    assert credentials.contents(tmp_path / "none") is None
    with pytest.raises(RaabError, match=r"none: cannot be written, got No such file or directory\nhint: "):
        credentials.write(tmp_path / "none", {"a": b"new"})


def test_where_the_service_ends_meanwhile_its_end_is_not_what_is_raised(tmp_path: Path) -> None:
    """But what went wrong first."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"old")
    with pytest.raises(RaabError, match="the first"), credentials.given(folder, {"a": b"new"}):
        shutil.rmtree(folder)
        raise RaabError("the first")


def test_what_systemd_would_make_of_the_unit_s_file(tmp_path: Path) -> None:
    """The first of its folders counts, be it with a mask; nobody reads the text but systemd."""
    first, second, third = folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders[:2]:
        folder.mkdir()

    def state() -> str:
        return twin.on_disk("raab.service", [str(folder) for folder in (third, first, second)])

    assert state() == "not-found"
    (second / "raab.service").write_text("[Service]")
    assert state() == "loaded"
    (first / "raab.service").write_text("")
    assert state() == "masked"
    (first / "raab.service").unlink()
    (first / "raab.service").symlink_to("/dev/null")
    assert state() == "masked"
    (first / "raab.service").unlink()
    (first / "raab.service").symlink_to(second / "raab.service")
    assert state() == "loaded"
    (second / "raab.service").unlink()
    assert state() == "not-found"


def test_where_no_systemd_runs_nothing_pretends_that_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody takes that folder for a sign of it."""
    monkeypatch.setattr(unit, "_UNITS", tmp_path / "system")
    with pytest.raises(RaabError, match=r"systemd: does not run here, got no .*/system\nhint: "):
        inquiry.run("", "/bin/true")
    assert not (tmp_path / "system").exists()


def test_systemd_reads_its_files_again_where_any_of_them_may_be_another(tmp_path: Path) -> None:
    """Also where it would not notice: a folder of drop-ins that is new, a file that an older one was moved over, one that is gone."""
    home, beside = tmp_path / "system", tmp_path / "system/raab.service.d"
    beside.mkdir(parents=True)
    unit, drop_in = home / "raab.service", beside / "limits.conf"
    unit.write_text("[Service]")
    drop_in.write_text("[Service]")
    loaded = {"LoadState": "loaded", "NeedDaemonReload": "no", "FragmentPath": str(unit), "DropInPaths": str(drop_in)}

    def read(since: float = time.time() + 60, **changed: str) -> bool:
        return twin.read_already("raab.service", {**loaded, **changed}, [str(home), str(tmp_path / "none")], f"@{since:.0f}")

    assert read()
    assert not read(NeedDaemonReload="yes") and not read(FragmentPath="/usr/lib/systemd/system/raab.service")
    assert not read(DropInPaths="") and not read(DropInPaths=f"{drop_in} /gone.conf")
    assert not twin.read_already("raab.service", loaded, [str(home)], "") and not twin.read_already("raab.service", {}, [], "@1")
    # What was written since, or in that very second; a file of yesterday that was moved here counts by its moment here.
    since = unit.stat().st_ctime
    assert not read(since=int(since))
    os.utime(drop_in, (0, 0))
    assert not read(since=int(since))
    (home / "service.d").mkdir()
    (home / "service.d/all.conf").write_text("[Service]")
    assert not read()
