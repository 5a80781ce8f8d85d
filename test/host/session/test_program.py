"""Root's program as it is installed on a host: here below a folder of the test's own, run by this Python without anything of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raab.deploy.hosts import wire
from raab.host.command import cli
from raab.host.paths import Paths
from raab.host.session import program, ways
from raab.host.session.first import digest_of


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "usr/local/bin")


def files(sources: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in sources.items()}


ALL = files(wire.roots_program())


def one(text: str) -> dict[str, bytes]:
    """A program of one line."""
    return files({"raab/__init__.py": "", "raab/one.py": text})


def run(paths: Paths, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-IS", str(paths.roots_own), *words)
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": "/nowhere", **environ}, cwd="/", timeout=30)


def test_it_has_all_that_it_imports(paths: Paths) -> None:
    """It runs by any Python of the host, without a release, site-packages or variables, and each of its modules can be imported."""
    program.install(paths, ALL, "")
    assert program.installed(paths) == wire.digest()
    done = run(paths)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False) and "systemctl" in done.stderr
    assert "usage: raab" in run(paths, "command", "--help").stdout
    home = paths.roots_own / wire.digest()
    for file in ALL:
        name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if not name.endswith(".tell"):
            code = f"import sys; sys.path.insert(0, {str(home)!r}); import {name}"
            done = subprocess.run((sys.executable, "-IS", "-c", code), capture_output=True, text=True, cwd="/", timeout=30)
            assert done.stderr == "", name


def test_what_an_operator_types_starts_it_whatever_release_is_current(paths: Paths) -> None:
    """Also where a release of before has put a link into itself; nobody's variables lead it elsewhere."""
    paths.bin.mkdir(parents=True)
    (paths.bin / "raab").symlink_to(paths.current / "venv/bin/raab")
    program.install(paths, ALL, "")
    ways.offer(paths)
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/nowhere", "RUNTIME_DIRECTORY": str(paths.root)}
    done = subprocess.run((str(paths.bin / "raab"), "scale", "many"), capture_output=True, text=True, env=environ, timeout=30)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "scale: not a number of workers, got 'many'")
    assert not (paths.bin / "raab").is_symlink()


def test_a_version_that_is_not_whole_is_not_taken_for_one(paths: Paths) -> None:
    """A file of it was changed, or lost, or one came to it: it has to be sent again."""
    sources = one("x = 1\n")
    program.install(paths, sources, "")
    home = paths.roots_own / digest_of(sources)
    for spoil in (
        lambda: (home / "raab/one.py").write_text("x = 2\n"),
        lambda: (home / "raab/one.py").unlink(),
        lambda: (home / "sitecustomize.py").write_text("z = 3\n"),
        lambda: (paths.roots_own / "__main__.py").unlink(),
    ):
        assert program.installed(paths) == digest_of(sources)
        spoil()
        assert program.installed(paths) == ""
        program.install(paths, sources, "")


def test_the_one_of_before_is_kept_for_who_runs_it_and_older_ones_go(paths: Paths) -> None:
    """One that another service's activation has begun with stays, too. What versions of before this way of installing have left goes."""
    (paths.roots_own / "raab/host").mkdir(parents=True)
    texts = [one(f"x = {number}\n") for number in range(4)]
    for number, sources in enumerate(texts):
        program.install(paths, sources, "")
        if number != 1:
            os.utime(paths.roots_own / digest_of(sources), (0, 0))
    assert {path.name for path in paths.roots_own.iterdir()} == {"__main__.py", *map(digest_of, texts[1:])}
    program.use(paths)
    program.install(paths, texts[0], "")
    assert digest_of(texts[3]) in {path.name for path in paths.roots_own.iterdir()}


def test_a_newer_one_stays(paths: Paths) -> None:
    """Whichever service brings an older one later; the same version is replaced by what comes last, and what is not whole by anything."""
    texts = {version: one(f"x = {version!r}\n") for version in ("", "0.9", "0.10.dev1", "0.10", "1.0")}
    for version, sources in texts.items():
        program.install(paths, sources, version)
        assert (program.started(paths), program.version(paths)) == (digest_of(sources), version)
    for version, sources in texts.items():
        program.install(paths, sources, version)
        assert program.started(paths) == digest_of(texts["1.0"])
        assert program.newer(paths, version) is (version != "1.0")
    program.install(paths, texts["0.9"], "1.0")
    assert program.started(paths) == digest_of(texts["0.9"])
    (paths.roots_own / program.started(paths) / "raab/one.py").unlink()
    program.install(paths, texts["0.10"], "0.10")
    assert program.started(paths) == digest_of(texts["0.10"])
    ways.offer(paths)
    assert program.faults(paths, program.started(paths)) == []


def test_of_two_builds_of_one_version_the_later_stays(paths: Paths) -> None:
    """Until there is a release, all are of one version: an older build beside it, of another service, takes nothing away. The same build
    may have been changed, and one that does not tell is as new as any: these are a developer's, whose last word counts."""
    texts = {version: one(f"x = {version!r}\n") for version in ("0.1", "0.1+1795772101", "0.1+1795772102", "0.1.1.dev1+1")}
    early, late, next_one = (digest_of(texts[version]) for version in ("0.1+1795772101", "0.1+1795772102", "0.1.1.dev1+1"))
    for brought, started in (
        ("0.1+1795772101", early),
        ("0.1+1795772102", late),
        ("0.1+1795772101", late),
        ("0.1", digest_of(texts["0.1"])),
        ("0.1+1795772101", early),
        ("0.1.1.dev1+1", next_one),
        ("0.1+1795772102", next_one),
    ):
        program.install(paths, texts[brought], brought)
        assert program.started(paths) == started, brought
    program.install(paths, texts["0.1"], "0.1.1.dev1+1")
    assert program.started(paths) == digest_of(texts["0.1"])


def test_what_is_not_as_it_was_installed_is_named(paths: Paths) -> None:
    """A changed, missing or added file, a link, and what others could write."""
    program.install(paths, ALL, "")
    ways.offer(paths)
    assert program.faults(paths, program.started(paths)) == []
    home = paths.roots_own / program.started(paths)
    module = home / "raab/errors.py"
    changes: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = (
        (lambda: module.chmod(0o666), lambda: module.chmod(0o644)),
        (lambda: home.chmod(0o777), lambda: home.chmod(0o755)),
        (lambda: (home / "json.so").touch(), lambda: (home / "json.so").unlink()),
        (lambda: (home / "os").symlink_to("/tmp"), lambda: (home / "os").unlink()),
    )
    for spoil, mend in changes:
        spoil()
        assert len(program.faults(paths, program.started(paths))) >= 1
        mend()
        assert program.faults(paths, program.started(paths)) == []
    command = paths.bin / "raab"
    before = command.read_text()
    command.write_text(before + "id\n")
    assert program.faults(paths, program.started(paths)) == [f"{command}: not what raab wrote"]
    command.write_text(before)
    entry = paths.roots_own / program.ENTRY
    before = entry.read_text()
    entry.write_text(before + "import os\n")
    assert program.faults(paths, program.started(paths)) == [f"{entry}: not what raab wrote"]
    entry.write_text(before)
    module.write_text("")
    assert program.faults(paths, program.started(paths)) == [f"{paths.roots_own}: not as it was installed; the next deploy mends it"]


def test_the_units_of_its_part_are_written_and_looked_at(paths: Paths) -> None:
    """By these a service's own unit asks for it; what somebody has changed in them is said, and put right by the next deploy."""
    program.install(paths, one(""), "")
    ways.offer(paths)
    names = ("raab-root@.socket", "raab-root@.service")
    assert [(paths.units / name).stat().st_mode & 0o777 for name in names] == [0o644, 0o644]
    assert f"ListenSequentialPacket={paths.run}/raab-root/%i\n" in (paths.units / names[0]).read_text()
    assert f"ExecStart=/usr/bin/python3 -IS {paths.roots_own} part\n" in (paths.units / names[1]).read_text()
    assert program.faults(paths, program.started(paths)) == []
    (paths.units / names[1]).write_text("[Service]\nExecStart=/tmp/other\n")
    assert program.faults(paths, program.started(paths)) == [f"{paths.units / names[1]}: not what raab wrote"]
    ways.offer(paths)
    assert program.faults(paths, program.started(paths)) == []


def test_what_another_raab_is_started_by_is_not_called_a_fault(paths: Paths) -> None:
    """A newer one, or still an older one, has texts that this one cannot know; what others could write is a fault all the same."""
    program.install(paths, one(""), "9.0")
    ways.offer(paths)
    command = paths.bin / "raab"
    command.write_text("#!/bin/sh\n# As a newer raab writes it.\n")
    assert program.faults(paths, program.started(paths)) == [f"{command}: not what raab wrote"]
    assert program.faults(paths, "f" * 64) == []
    command.chmod(0o777)
    assert program.faults(paths, "f" * 64) == [f"{command}: not root's alone to write"]


def test_it_says_which_version_it_is(paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no distribution that could be asked: that which installed it has written it down."""
    monkeypatch.setattr(cli, "Paths", lambda name: paths)
    for brought, told in (("", "raab unknown\n"), ("1.2.0.dev0", "raab 1.2.0.dev0\n")):
        program.install(paths, one(""), brought)
        assert (cli.main(["--version"]), capsys.readouterr().out) == (0, told)
