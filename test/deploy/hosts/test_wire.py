"""The session program as a host runs it, here on this machine: an interpreter that gets everything on stdin."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raab.deploy.hosts import wire
from raab.deploy.plan.facts import parse


def converse(*requests: dict[str, Any], shell: tuple[str, ...] = ("sh", "-c")) -> subprocess.CompletedProcess[bytes]:
    text = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
    return subprocess.run((*shell, wire.command()), input=start() + text, capture_output=True, timeout=60)


def start(before: bytes = b"", after: bytes = b"") -> bytes:
    """What is sent to a host that lacks the program, with one text in it for another."""
    packed = wire.program().split(b"\n", 1)[1]
    packed = zlib.compress(zlib.decompress(packed).replace(before, after)) if before else packed
    return b"%sprogram %d\n%s" % (wire.beginning(), len(packed), packed)


def lines(said: bytes) -> list[Any]:
    """What the session said; the empty lines between keep it apart from what others print."""
    begun, *more = (json.loads(line) for line in said.splitlines() if line)
    assert begun == {"event": "lacking"}
    return more


def test_facts_are_one_answer_that_becomes_a_value() -> None:
    done = converse({"op": "facts", "service": "raab"})
    (answer,) = lines(done.stdout)
    facts = parse(answer["facts"])
    assert done.stderr == b""
    assert (facts.implementation, facts.disk_total > facts.disk_free > 0) == ("CPython", True)
    assert done.returncode == 0


def test_what_is_refused_is_told_and_the_conversation_goes_on() -> None:
    """A request that asks for what this session may not do: the host says so and listens to the next."""
    done = converse({"op": "service", "service": "raab", "action": "reload"}, {"op": "history", "service": "raab"})
    first, second = lines(done.stdout)
    assert (first["event"], first["code"], second["event"]) == ("error", 6, "done")
    assert "only for who holds the lock" in first["message"]


def test_a_deployer_who_vanishes_silently_is_given_up() -> None:
    """No end of its input comes, only silence: the session ends by itself. Empty lines are signs of life and nothing else."""
    with subprocess.Popen(("sh", "-c", wire.command()), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(start(b"HOSTS_PATIENCE_SECONDS = 30", b"HOSTS_PATIENCE_SECONDS = 1"))
        for _ in range(4):
            process.stdin.write(b"\n")
            process.stdin.flush()
            time.sleep(0.5)
        process.stdin.write(b'{"op": "history", "service": "raab"}\n')
        process.stdin.flush()
        assert lines(b"".join(process.stdout.readline() for _ in range(4)))[0]["event"] == "done"
        assert process.wait(timeout=10) == -14


def test_an_unknown_request_ends_the_session() -> None:
    """What comes after it may belong to it."""
    done = converse({"op": "shell", "command": "id"}, {"op": "facts", "service": "raab"})
    (answer,) = lines(done.stdout)
    assert (answer["event"], answer["code"], done.returncode) == ("error", 2, 2)


def test_a_host_that_is_busy_says_that_it_is_there() -> None:
    with subprocess.Popen(("sh", "-c", wire.command()), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(start(b"PULSE_SECONDS = 10", b"PULSE_SECONDS = 0.1"))
        process.stdin.flush()
        assert (process.stdout.readline(), json.loads(process.stdout.readline())) == (b"\n", {"event": "lacking"})
        assert process.stdout.read(6) == b"\n" * 6


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "ksh", "mksh", "tcsh", "csh", "fish", "busybox sh"])
def test_every_login_shell_takes_the_command(shell: str) -> None:
    """As sshd has it run by the user's own shell: `shell -c command`."""
    words = shell.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"there is no {shell} here")
    (answer,) = lines(converse({"op": "history", "service": "raab"}, shell=(*words, "-c")).stdout)
    assert answer["event"] == "done"


def test_a_host_without_python_says_so() -> None:
    done = converse({"op": "facts", "service": "raab"}, shell=("/usr/bin/env", "-i", "PATH=/nowhere", "/bin/sh", "-c"))
    assert wire.NO_PYTHON in done.stderr.decode()


def test_the_program_is_all_rooms_and_what_they_stand_on() -> None:
    """Every import of raab's, wherever in a module, is in it, and everything else is the standard library's: it runs on hosts that have
    nothing of ours."""
    known = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in wire.roots_program()}
    assert not strangers(known)
    assert {"session", "activation", "renewal", "command"} <= {name.split(".")[2] for name in known if name.count(".") > 2}


def strangers(known: set[str]) -> list[str]:
    found = []
    for name in known:
        source = wire.text(name) if wire.place(name).is_file() else ""
        for node in ast.walk(ast.parse(source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.module
                plain = node.module in known and not wire.place(node.module).with_suffix("").is_dir()
                names = [node.module if plain else f"{node.module}.{alias.name}" for alias in node.names]
            found += [
                f"{name} imports {imported}"
                for imported in names
                if imported.split(".")[0] not in sys.stdlib_module_names and imported not in known
            ]
    return found


HISTORY = b'{"op": "history", "service": "raab"}\n'


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder that has the program as a deploy has put it there, beside those of others."""
    files = {name: text.encode() for name, text in wire.roots_program().items()}
    for home in ("0" * 64, wire.digest()):
        for name, text in files.items():
            (tmp_path / home / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / home / name).write_bytes(text)
    return tmp_path


def begun(home: Path, then: bytes) -> subprocess.CompletedProcess[bytes]:
    """A connection to a host where root's program lies in that folder."""
    source = zlib.decompress(wire.beginning().split(b"\n", 1)[1]).replace(b'HOME = "/usr/local/lib/raab"', f"HOME = {str(home)!r}".encode())
    packed = zlib.compress(source)
    return subprocess.run(("sh", "-c", wire.command()), input=b"%d\n%s%s" % (len(packed), packed, then), capture_output=True, timeout=60)


def events(said: bytes) -> list[str]:
    return [json.loads(line)["event"] for line in said.splitlines() if line]


def test_a_host_that_has_the_program_is_sent_none(host: Path) -> None:
    """It begins with what lies there, and says so to whoever tidies up."""
    os.utime(host / wire.digest(), (0, 0))
    done = begun(host, HISTORY)
    assert (done.stderr, events(done.stdout)) == (b"", ["done"])
    assert (host / wire.digest()).stat().st_mtime > time.time() - 60
    assert len(wire.beginning()) < 3000


def linked(path: Path) -> None:
    """It lies elsewhere, outside of the program, and a link to it in its place."""
    elsewhere = next(parent for parent in path.parents if wire.digest() not in parent.parts) / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


SPOILT: dict[str, Callable[[Path], object]] = {
    "it has none": lambda home: shutil.rmtree(home),
    "a file is lost": lambda home: (home / "raab/errors.py").unlink(),
    "a file was changed": lambda home: (home / "raab/errors.py").write_text("import os\n"),
    "a file was moved": lambda home: (home / "raab/errors.py").rename(home / "raab/error.py"),
    "a module came to it": lambda home: (home / "json.py").touch(),
    "a library came to it": lambda home: (home / "raab/_json.so").touch(),
    "a folder is a link": lambda home: linked(home / "raab/metrics"),
    "a file is a link": lambda home: linked(home / "raab/errors.py"),
    "it is a link itself": lambda home: linked(home),
    "a file is a pipe": lambda home: ((home / "raab/errors.py").unlink(), os.mkfifo(home / "raab/errors.py")),
    "a file is for all to write": lambda home: (home / "raab/errors.py").chmod(0o666),
    "a folder is for all to write": lambda home: (home / "raab").chmod(0o777),
    "bytecode is for all to write": lambda home: ((home / "raab/x.pyc").touch(), (home / "raab/x.pyc").chmod(0o666)),
    "what it lies in is for all to write": lambda home: home.parent.chmod(0o777),
    "it is somebody's": lambda home: os.chown(home / "raab/errors.py", 65534, -1),
    "what it lies in is somebody's": lambda home: os.chown(home.parent, 65534, -1),
    "another is under its name": lambda home: (home / "raab/plain.py").write_text((home / "raab/errors.py").read_text()),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_program_that_is_not_whole_or_not_roots_alone_is_never_begun(host: Path, name: str) -> None:
    """It is asked for, and what has come is begun."""
    if "somebody's" in name and os.geteuid():
        pytest.skip("only root can give files away")
    SPOILT[name](host / wire.digest())
    packed = wire.program().split(b"\n", 1)[1]
    done = begun(host, b"\n" + HISTORY + b"program %d\n%s" % (len(packed), packed) + HISTORY)
    assert events(done.stdout) == ["lacking", "done"], done.stderr
