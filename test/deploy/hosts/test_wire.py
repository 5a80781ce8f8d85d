"""The session program as a host runs it, here on this machine: an interpreter that gets everything on stdin."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import time
import zlib
from typing import Any

import pytest

from raab.deploy.hosts import wire
from raab.deploy.plan.facts import parse


def converse(*requests: dict[str, Any], shell: tuple[str, ...] = ("sh", "-c")) -> subprocess.CompletedProcess[bytes]:
    text = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
    return subprocess.run((*shell, wire.command()), input=wire.program() + text, capture_output=True, timeout=60)


def lines(said: bytes) -> list[Any]:
    """What the session said; the empty lines between keep it apart from what others print."""
    return [json.loads(line) for line in said.splitlines() if line]


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
    packed = wire.program()
    source = zlib.decompress(packed.split(b"\n", 1)[1]).replace(b"HOSTS_PATIENCE_SECONDS = 30", b"HOSTS_PATIENCE_SECONDS = 1")
    short = zlib.compress(source)
    with subprocess.Popen(("sh", "-c", wire.command()), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"%d\n%s" % (len(short), short))
        for _ in range(4):
            process.stdin.write(b"\n")
            process.stdin.flush()
            time.sleep(0.5)
        process.stdin.write(b'{"op": "history", "service": "raab"}\n')
        process.stdin.flush()
        assert process.stdout.readline() == b"\n"
        assert json.loads(process.stdout.readline())["event"] == "done"
        assert process.wait(timeout=10) == -14


def test_an_unknown_request_ends_the_session() -> None:
    """What comes after it may belong to it."""
    done = converse({"op": "shell", "command": "id"}, {"op": "facts", "service": "raab"})
    (answer,) = lines(done.stdout)
    assert (answer["event"], answer["code"], done.returncode) == ("error", 2, 2)


def test_a_host_that_is_busy_says_that_it_is_there() -> None:
    source = zlib.decompress(wire.program().split(b"\n", 1)[1]).replace(b"PULSE_SECONDS = 10", b"PULSE_SECONDS = 0.1")
    fast = zlib.compress(source)
    with subprocess.Popen(("sh", "-c", wire.command()), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"%d\n%s" % (len(fast), fast))
        process.stdin.flush()
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


def test_the_program_is_the_session_and_what_it_stands_on() -> None:
    """Every import of raab's, wherever in a module, is in it, and everything else is the standard library's: it runs on hosts that have
    nothing of ours. No other room of the host's code travels with each connection than the ground's."""
    known = set(wire.closure((wire.ENTRY,)))
    assert not strangers(known)
    assert {name.split(".")[2] for name in known if name.count(".") > 2} == {"session", "master", "units", "address"}


def test_roots_program_is_all_rooms_and_what_they_stand_on() -> None:
    known = set(wire.roots_program())
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


@pytest.mark.parametrize("name", sorted(wire.closure((wire.ENTRY,))))
def test_a_module_without_its_comments_is_the_same(name: str) -> None:
    """Line by line, so that what a defect says of a host can be read beside the source."""

    def code(text: str) -> list[str]:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            first = body[0] if isinstance(body, list) and body and not isinstance(node, ast.Module) else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                first.value.value = ""
        return [f"{getattr(node, 'lineno', 0)} {ast.dump(node)}" for node in ast.walk(tree)]

    source = wire.text(name)
    assert code(wire.lean(source)) == code(source)
