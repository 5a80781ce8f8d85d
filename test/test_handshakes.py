"""Raabs of several versions meet: a deployer, the half of it that a host runs, root's program there, masters, releases, workers. What one
cannot understand of another it refuses, and says what helps. Of two masters: test/handover/test_master.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from raab import exitcodes
from raab.deploy import environments
from raab.deploy.hosts.runner import Runner
from raab.deploy.plan.environment import Environment
from raab.errors import RaabError
from raab.host.activation.task import Task
from raab.host.command import root
from raab.host.master import answers
from raab.host.paths import Paths
from raab.host.session import follow
from raab.protocol import conversation, task
from raab.protocol.requests import Activate, Hooks

RELEASE = "20261122T061500Z-1a2b3c4"
REQUEST = Activate(RELEASE, "a" * 32, "deploy", 5, "", True, False, Hooks(), "ann", "laptop")
FALSE = [2, 0, "1", True, None, 1.0]
CURE = "hint: deploy with the newer of the two raabs"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host with one release and a deploy under way."""
    made = Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "bin", tmp_path / "var")
    made.release(RELEASE).mkdir(parents=True)
    made.manifest(RELEASE).write_text("{}")
    made.deploying.mkdir(parents=True)
    return made


def test_a_request_says_its_version() -> None:
    """One of before there were versions is of the first."""
    line = conversation.encode("facts", "raab", {})
    assert json.loads(line)["speaks"] == conversation.VERSION
    assert conversation.decode(line) == conversation.decode(b'{"op": "facts", "service": "raab"}')


@pytest.mark.parametrize("version", FALSE)
def test_a_host_refuses_a_deployer_that_speaks_otherwise(version: Any) -> None:
    """Whatever else the request says: of another version nothing is known."""
    with pytest.raises(RaabError, match="protocol: the host's half of this connection speaks version 1, got version") as caught:
        conversation.decode(json.dumps({"op": "new", "service": 7, "speaks": version}).encode())
    assert caught.value.exit_code == exitcodes.REFUSED and CURE in str(caught.value)


@pytest.mark.parametrize("whose", ["the deployer's", "the host's"])
def test_over_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    """The one side is what it is, the other one a version further."""
    environment = reached_here(tmp_path, monkeypatch, newer=whose == "the host's")
    if whose == "the deployer's":
        monkeypatch.setattr(conversation, "VERSION", 2)
    with Runner(environment, lambda host, text: None) as runner:
        outcome = runner.facts()
    error = str(outcome.failed["here"])
    assert "speaks version 1, got version 2 from" in error and CURE in error and len(error.splitlines()) == 2


def reached_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer: bool) -> Environment:
    """An environment whose one host is this machine, by a program that stands for ssh, which makes what was sent a `newer` one."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(
        f"#!{sys.executable}\n"
        "import re, subprocess, sys, threading, zlib\n"
        "open(sys.argv[sys.argv.index('-E') + 1], 'w').write('Authenticated to here')\n"
        "host = subprocess.Popen(('sh', '-c', sys.argv[-1]), stdin=subprocess.PIPE)\n"
        "for line in iter(sys.stdin.buffer.readline, b''):\n"
        "    if line.startswith(b'program '):\n"
        "        sent = zlib.decompress(sys.stdin.buffer.read(int(line.split()[1])))\n"
        + ("        sent = sent.replace(b'\\\\nVERSION = 1\\\\n', b'\\\\nVERSION = 2\\\\n')\n" if newer else "")
        + "        packed = zlib.compress(sent)\n"
        "        line = b'program %d\\n%s' % (len(packed), packed)\n"
        "    host.stdin.write(line)\n"
        "    host.stdin.flush()\n"
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "e.yaml").write_text("hosts: {here: }\nssh_config: none\nconnect_timeout: 5\nwaves: [100%]\n")
    return environments.load(tmp_path, "e")


def test_an_activation_does_what_it_was_asked(paths: Paths) -> None:
    paths.request.write_bytes(task.written(REQUEST))
    assert Task.read(paths, RELEASE) == Task(RELEASE, "deploy", "ann", "laptop", 5, "", restart=True)
    assert follow.asked_for(paths) == REQUEST
    with pytest.raises(RaabError, match="is the task of another activation"):
        Task.read(paths, "20261122T061500Z-1a2b3c5")


@pytest.mark.parametrize("version", FALSE)
def test_root_s_program_refuses_what_a_newer_session_asks(paths: Paths, version: Any) -> None:
    """And does not go on with what it takes for the usual: by a restart, with hooks, as a drill. The deployer hears the reason."""
    paths.request.write_bytes(json.dumps({**json.loads(task.written(REQUEST)), "speaks": version, "more": [1]}).encode())
    assert root.activated(paths, RELEASE) == exitcodes.REFUSED
    verdict = follow.follow(paths, lambda event: None, REQUEST.token).verdict
    assert (verdict.ok, verdict.switched) == (False, False)
    assert "root's program on this host speaks version 1, got version" in verdict.reason and verdict.hint


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"release": 7}'])
def test_a_task_that_cannot_be_read_is_refused(paths: Paths, text: bytes) -> None:
    paths.request.write_bytes(text)
    with pytest.raises(RaabError, match=r"request.json is no task, got .*\nhint: raab activate "):
        Task.read(paths, RELEASE)


def test_root_s_program_refuses_the_settings_of_a_newer_release() -> None:
    told = {"bind": ["0.0.0.0:8000"], "admin_port": 0, "load_timeout": 30}
    assert answers.settings(json.dumps(told)) == answers.settings(json.dumps({**told, "speaks": 1}))
    with pytest.raises(RaabError, match="the release speaks version 2 of its settings, and this raab version 1\nhint: deploy a release"):
        answers.settings(json.dumps({"speaks": 2}))
