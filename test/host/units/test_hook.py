"""A command of a deployer's as any user: systemctl is a script that runs what a unit's file says. test/lab/deploy/test_hooks.py asks
systemd itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.host.units import hook, unit
from raab.protocol.requests import Command

# Keeps its own words and the unit's file; `show` tells what a test has put there.
SYSTEMCTL = f"""#!{sys.executable}
import pathlib, re, shlex, subprocess, sys
folder = pathlib.Path(__file__).parent.parent
with (folder / "words").open("a") as words:
    words.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "start":
    text = (folder / sys.argv[2]).read_text()
    (folder / "asked").write_text(text)
    said = dict(re.findall("^(StandardOutput|WorkingDirectory|ExecStart)=(?:file:|:)?(.*)$", text, re.MULTILINE))
    with open(said["StandardOutput"], "w") as output:
        done = subprocess.run(shlex.split(said["ExecStart"].replace("%%", "%")), cwd=said["WorkingDirectory"], stdout=output, stderr=output)
    (folder / "status").write_text(str(done.returncode))
    sys.exit(min(done.returncode, 1))
if sys.argv[1] == "show":
    told = folder / "told"
    print(told.read_text() if told.exists() else "Result=exit-code\\nExecMainStatus=" + (folder / "status").read_text())
"""


class Host:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = Paths("raab", folder / "opt", folder / "etc", folder / "run", folder / "usr/local/bin")
        self.release = self.paths.releases / "20261122T061500Z-1a2b3c4"
        self.said: list[str] = []
        (self.release / "systemd").mkdir(parents=True)
        (self.release / "manifest.json").write_text("{}")
        self.unit("User=raab")

    def unit(self, lines: str) -> None:
        (self.release / "systemd/raab.service").write_text(f"[Service]\nType=notify\n{lines}\n")

    def run(self, command: str, network: bool = False, write: tuple[str, ...] = ()) -> list[str]:
        """The lines of the unit that it was run by."""
        hook.run(self.paths, self.release, "once", Command(command, 2.5, network, write), self.said.append)
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "stubs").mkdir()
    (tmp_path / "stubs/systemctl").write_text(SYSTEMCTL)
    (tmp_path / "stubs/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/stubs:{os.environ['PATH']}")
    monkeypatch.setattr(unit, "_UNITS", tmp_path)
    return Host(tmp_path)


def test_a_command_is_run_by_the_lines_of_the_service_in_the_release(host: Host) -> None:
    """The release's own first, the host's after them; the limit is systemd's to keep."""
    host.unit('User=raab\nEnvironment="A=%p 100%%"\nTimeoutStartSec=90\nRestart=always')
    (host.paths.etc / "systemd/system/raab.service.d").mkdir(parents=True)
    (host.paths.etc / "systemd/system/raab.service.d/more.conf").write_text("[Service]\nEnvironmentFile=/etc/raab/environment\n")
    lines = host.run("pwd; echo why >&2")
    assert host.said == [str(host.release), "why"]
    own = lines.index("EnvironmentFile=/etc/raab/environment")
    path = f'Environment="PATH={host.release}/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
    unit = ["Type=oneshot", "TimeoutStartSec=infinity", "KillSignal=SIGKILL", path, "User=raab", 'Environment="A=raab 100%%"']
    assert lines[3:own] == unit
    assert f'Environment="RAAB_RELEASE_DIR={host.release}"' in lines[own:] and "TimeoutStartSec=2500ms" in lines[own:]
    assert not [line for line in lines if line.startswith("Restart")]
    assert not list(host.folder.glob("raabnow*"))


def test_what_a_frameworks_commands_find_the_project_by_is_set_unless_the_unit_says_it(host: Host) -> None:
    """Of several lines for one variable the last counts (systemd.exec(5), Environment=)."""
    told = ["FLASK_APP=shop:create_app()", "DJANGO_SETTINGS_MODULE=shop.settings"]
    (host.release / "manifest.json").write_text(json.dumps({"variables": told}))
    host.unit("Environment=DJANGO_SETTINGS_MODULE=shop.production")
    lines = host.run("true")
    assert 'Environment="FLASK_APP=shop:create_app()"' in lines
    assert lines.index('Environment="DJANGO_SETTINGS_MODULE=shop.settings"') < lines.index(
        "Environment=DJANGO_SETTINGS_MODULE=shop.production"
    )


def test_no_value_is_a_word_of_a_command(host: Host) -> None:
    """The words of systemctl name the unit, and no more."""
    host.unit("User=raab\nEnvironment=URL=s3cr3t\nSetCredential=token:hush")
    assert "Environment=URL=s3cr3t" in host.run("echo said")
    assert {word for line in (host.folder / "words").read_text().splitlines() for word in line.split() if "raabnow" not in word} == {
        "start", "stop"
    }  # fmt: skip


def test_a_failure_is_told_with_the_last_that_was_said(host: Host) -> None:
    with pytest.raises(RaabError, match=r"hook once: exit code 3 after [0-9.]+ s, got: because\nhint: .* credentials$"):
        host.run("echo because; exit 3")
    assert host.said == ["because"]
    assert not list(host.folder.glob("raabnow*"))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("Result=timeout\nExecMainStatus=9", "did not end within 2.5 s, and was ended"),
        ("Result=signal\nExecMainStatus=11", "ended by signal 11"),
        ("Result=oom-kill\nExecMainStatus=9", "oom-kill"),
        ("", "unknown"),
    ],
)
def test_systemd_says_what_became_of_it(host: Host, told: str, why: str) -> None:
    (host.folder / "told").write_text(told)
    (host.folder / "stubs/journalctl").write_text("#!/bin/sh\n")
    (host.folder / "stubs/journalctl").chmod(0o755)
    with pytest.raises(RaabError, match=f"hook once: {why} after "):
        host.run("exit 1")


def test_what_never_came_to_be_the_command_is_told_by_systemd_s_words(host: Host) -> None:
    (host.folder / "told").write_text("Result=exit-code\nExecMainStatus=226")
    word = "Failed at step NAMESPACE spawning /bin/sh: No such file or directory"
    (host.folder / "stubs/journalctl").write_text(f'#!/bin/sh\nfor last; do :; done; echo "${{last#UNIT=}}: {word}"\n')
    (host.folder / "stubs/journalctl").chmod(0o755)
    with pytest.raises(RaabError, match=rf"hook once: exit code 226 \({word}\) after "):
        host.run("exit 1")


def test_what_is_printed_is_bounded_and_fit_for_a_terminal(host: Host) -> None:
    """The end of it counts; nobody has to wait because it is not read."""
    host.run("""yes 0123456789 | head -c 3000000; printf '\\n\\033[2J\\n\\342\\200\\256x\\n\\377\\n'""")
    assert host.said[-3:] == ["\\x1b[2J", "\\u202ex", "\ufffd"]
    assert len(host.said) == 500


def test_what_an_entry_asks_for_is_added_to_the_sandbox(host: Host) -> None:
    """Families only to those of the unit: they would be all that it has where it names none."""
    (host.folder / "data").mkdir()
    plain = host.run("true")
    assert not [line for line in plain if line.startswith(("PrivateNetwork", "RestrictAddress", "ReadWritePaths"))]
    lines = host.run("true", write=(f"{host.folder}/data",))
    assert f'ReadWritePaths="{host.folder}/data"' in lines and f'NoExecPaths="{host.folder}/data"' in lines
    assert not [line for line in host.run("true", network=True) if line.startswith("RestrictAddressFamilies")]
    host.unit("User=raab\nPrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\nIPAddressDeny=any")
    lines = host.run("true", network=True)
    for before, after in (
        ("PrivateNetwork=yes", "PrivateNetwork=no"),
        ("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"),
        ("IPAddressDeny=any", "IPAddressDeny="),
    ):
        assert lines.index(before) < lines.index(after)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("{0}/none", "no such path on this host"),
        ("{0}/opt/raab/releases", "what raab and systemd run by"),
        ("{0}/opt", "what raab and systemd run by"),
        ("{0}/link", "what raab and systemd run by"),
        ("{0}/etc/systemd/system", "what raab and systemd run by"),
        ("/proc/sys", "the kernel's own"),
        ("/", "what raab and systemd run by"),
    ],
)
def test_a_path_that_is_not_the_service_s_to_write_is_refused(host: Host, path: str, why: str) -> None:
    """Before anything is run."""
    (host.folder / "etc/systemd/system").mkdir(parents=True)
    (host.folder / "link").symlink_to(host.release)
    with pytest.raises(RaabError, match=rf"hook once: write: .*{why}, got {path.format(host.folder)}\nhint: "):
        host.run("true", write=(path.format(host.folder),))
    assert not (host.folder / "asked").exists()


def test_what_nobody_can_end_any_more_is_ended_with_the_next(host: Host) -> None:
    """Its process was killed; one that lives is left to it."""
    gone = subprocess.Popen(("true",))
    gone.wait()
    for pid in (gone.pid, os.getppid()):
        (host.folder / f"raabnow{pid}x0.service").write_text("[Service]\n")
    host.run("true")
    assert [file.name for file in host.folder.glob("raabnow*")] == [f"raabnow{os.getppid()}x0.service"]
    assert f"stop raabnow{gone.pid}x0.service" in (host.folder / "words").read_text()
