"""Hundreds of hosts at once, played by a shell script that stands for `ssh`: none costs more than the one before."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from raab.deploy import environments, preview
from raab.deploy.bundle.parts import Bundle, Part
from raab.deploy.hosts import descriptors
from raab.deploy.hosts.runner import Runner
from raab.deploy.plan.facts import HostFacts
from raab.errors import RaabError
from raab.protocol.answers import History
from raab.protocol.facts import InstalledRelease

SSH = """\
#!/bin/sh
while [ "$1" != -- ]; do [ "$1" = -E ] && log=$2; shift; done
echo "Authenticated to $2 ([127.0.0.1]:22) using publickey." >"$log"
read -r size
head -c "$size" >/dev/null
while IFS= read -r line; do
    [ -z "$line" ] || echo '{"event": "done", "entries": []}'
done
"""
COUNT = 40


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(SSH)
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "deploy").mkdir()
    hosts: dict[str, dict[str, str]] = {f"web{number}": {} for number in range(COUNT)}
    (tmp_path / "deploy/e.yaml").write_text(json.dumps({"hosts": hosts, "ssh_config": "none"}))
    return Runner(environments.load(tmp_path, "e"), lambda host, text: None)


@pytest.fixture
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As few as make no room for these hosts: a shell's limit is 1024, which is that for 250."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(descriptors, "BESIDE", 150)
    resource.setrlimit(resource.RLIMIT_NOFILE, (140, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_descriptors")
def test_a_shells_limit_on_open_files_is_none_on_hosts(runner: Runner) -> None:
    with runner:
        told = runner.each("history", History)
    assert len(told.done) == COUNT and not told.failed


def test_the_systems_limit_on_open_files_is_told_before_any_host_is_spoken_to(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 300))
    with pytest.raises(RaabError, match="open files: connections to 40 hosts need 360, got a limit of 300"):
        runner.__enter__()
    assert not runner.remotes


def test_many_connections_end_in_the_time_of_one(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are told to before one is waited for."""
    done: list[str] = []

    def noted(function: Callable[..., object], word: str) -> Callable[..., object]:
        return lambda *words, **named: (done.append(word), function(*words, **named))[1]

    with runner:
        runner.each("history", History)
        monkeypatch.setattr(os, "killpg", noted(os.killpg, "told"))
        monkeypatch.setattr(subprocess.Popen, "wait", noted(subprocess.Popen.wait, "waited for"))
    assert done[:COUNT] == ["told"] * COUNT and done.count("waited for") >= COUNT
    assert all(remote.channel.process.returncode is not None for remote in runner.remotes.values())


class Played:
    """Stands for a runner whose hosts tell the lock and the settings of what they run."""

    parallel = 4

    def __init__(self) -> None:
        self.asked: list[str] = []

    def texts(self, name: str) -> dict[str, str]:
        self.asked.append(name)
        return {"requirements.lock": "one==1.0\n"}


def test_of_hosts_that_run_the_same_a_plan_asks_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And git once for its commits, not once for each of a thousand."""
    gits: list[str] = []

    def titles(root: Path, since: str, until: str) -> tuple[str, ...]:
        gits.append(since)
        return ()

    monkeypatch.setattr("raab.deploy.bundle.checkout.titles", titles)
    monkeypatch.setattr("raab.deploy.bundle.files.texts", lambda bundle: {"requirements.lock": "one==2.0\n"})
    bundle = Bundle("new", "1", "c" * 40, "new", "", (), "{}", tmp_path)
    facts = {f"web{number}": host("old", "a" * 40) for number in range(9)} | {
        "other": host("older", "b" * 40),
        "same": host("new", "c" * 40),
    }
    played = Played()
    told = preview.differences(tmp_path, played, bundle, facts)  # type: ignore[arg-type]
    assert told == dict.fromkeys(facts.keys() - {"same"}, ("dependency one 1.0 -> 2.0",))
    assert len(played.asked) == len(gits) == 2 and "other" in played.asked


def host(content: str, commit: str) -> HostFacts:
    release = InstalledRelease(content, True, content, "1", commit, "")
    return HostFacts("3.11.2", "CPython", "glibc 2.36", "x86_64", "Debian", 0, 1.0, 1, 2, 3, 252, releases=(release,), current=content)


def test_hosts_of_one_kind_share_their_manifest(tmp_path: Path) -> None:
    """It names all files of a release: a thousand texts of it would be most of what `fab` holds."""
    bundle = Bundle("new", "1", "c" * 40, "new", "", (), '{"parts": []}', tmp_path)
    wheels = (Part("a.whl", "0" * 64, 1, tmp_path / "a.whl"),)
    assert bundle.manifest_with(wheels) is bundle.manifest_with((replace(wheels[0]),))
