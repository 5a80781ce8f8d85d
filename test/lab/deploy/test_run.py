"""`fab run -- COMMAND` and `raab run -- COMMAND`: as the service would run it, word for word and byte for byte."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FAB = str(Path(sys.executable).parent / "fab")
ROOT = Path(__file__).resolve().parents[3]
# Words that a shell, systemd, Fabric or JSON might have other ideas of.
WORDS = [
    'print("a b")', "", " ", "it's", '"', "$HOME ${PATH} $$", "%n 100%", "a\\b\\n", "two\nlines", "tab\t", "é ☃ \U0001f600", "--", "-h",
    "--env", "`id`", ";", "\udcff\udc80", "\x1b[0m", "*", "~", "a=b", "x" * 50_000,
]  # fmt: skip
SHOW = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


@pytest.fixture(scope="module")
def there(steady: Any, lab: Any) -> Any:
    """A host on which this tree is deployed."""
    (host,) = lab.hosts(1)
    steady.fab("deploy", "--hosts", host.name)
    return host


class Runs:
    """`fab run` on that host."""

    def __init__(self, lab: Any, host: Any) -> None:
        self.host = host
        self.environ = {**os.environ, "RAAB_LAB": lab.lab.name}
        self.shell = lab.shell(host)

    def start(self, *words: str, verb: str = "run", options: tuple[str, ...] = (), **streams: Any) -> subprocess.Popen[bytes]:
        rest = ("--", *words) if verb == "run" else ()
        return subprocess.Popen((FAB, verb, "--hosts", self.host.name, *options, *rest), cwd=ROOT, env=self.environ, **streams)

    def run(self, *words: str, stdin: bytes = b"", code: int = 0, **more: Any) -> tuple[bytes, bytes]:
        pipe = subprocess.PIPE
        with self.start(*words, stdin=pipe, stdout=pipe, stderr=pipe, **more) as process:
            out, errors = process.communicate(stdin, timeout=60)
        assert process.returncode == code, errors.decode()
        return out, errors


@pytest.fixture
def runs(lab: Any, there: Any) -> Runs:
    return Runs(lab, there)


def test_every_word_arrives_as_it_was_typed(runs: Runs) -> None:
    assert runs.run("python", "-c", 'print("a b")') == (b"a b\n", b"")
    out, _ = runs.run("python", "-c", SHOW, *WORDS)
    assert out.split(b"\0") == [os.fsencode(word) for word in WORDS]


def test_it_is_the_service_s_user_in_its_place_with_its_programs(runs: Runs) -> None:
    """Its sandbox, too; of what is printed standard output and errors stay apart, and the exit code is the command's."""
    script = "id -un; pwd; command -v python; echo $RAAB_ENVIRONMENT $RAAB_RELEASE_DIR; touch /opt/raab/x /var/lib/raab/x; exit 7"
    out, errors = runs.run("sh", "-c", script, code=7)
    release = runs.shell.run("realpath /opt/raab/current").out.strip()
    assert out.decode().splitlines() == ["raab", f"{release}/app", f"{release}/venv/bin/python", f"production {release}"]
    assert b"'/opt/raab/x'" in errors and b"/var/lib" not in errors
    assert runs.run("sh", "-c", "kill -9 $$", code=137)[1] == b""
    assert b"nowhere: not found" in runs.run("nowhere", code=127)[1]


def test_what_is_typed_and_what_is_printed_are_streams_of_bytes(runs: Runs) -> None:
    """Of any size and content, both at once; and a command that reads nothing waits for nobody."""
    block = bytes(range(256)) * 40_000
    out, errors = runs.run("sh", "-c", "tee /dev/stderr", stdin=block)
    assert out == block and errors == block
    assert runs.run("true", stdin=block) == (b"", b"")
    assert runs.run("cat") == (b"", b"")


def left(runs: Runs) -> str:
    return str(runs.shell.run("grep -l raabnow /proc/[0-9]*/cgroup; ls /run/systemd/system | grep raabnow", check=False).out)


def gone(runs: Runs, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while left(runs) and time.monotonic() < end:
        time.sleep(0.1)
    return not left(runs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_its_connection(runs: Runs, number: int) -> None:
    """By a Ctrl-C, and when the deployer's process is killed; what it has started ends with it."""
    script = "trap 'echo ended >/var/lib/raab/ended; exit' TERM; rm -f /var/lib/raab/ended; sleep 300 & echo begun; wait"
    with runs.start("sh", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        ended = process.wait(10)
    assert ended == (130 if number == signal.SIGINT else -9)
    assert gone(runs) and runs.shell.run("cat /var/lib/raab/ended").out == "ended\n"


def test_who_has_read_enough_ends_it(runs: Runs) -> None:
    with runs.start("yes", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        assert process.stdout and process.stdout.readline() == b"y\n"
        process.stdout.close()
        process.wait(20)
    assert gone(runs)


class Terminal:
    """At which somebody sits who types and looks."""

    def __init__(self, runs: Runs, *words: str, verb: str = "run") -> None:
        self.ours, theirs = pty.openpty()
        self.resize(theirs, 33, 101)
        self.process = runs.start(*words, verb=verb, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.seen = b""

    def resize(self, descriptor: int, rows: int, columns: int) -> None:
        import termios

        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def until(self, text: bytes, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            try:
                self.seen += os.read(self.ours, 4096)
            except OSError:
                raise AssertionError(self.seen) from None
        self.seen = self.seen.partition(text)[2]


def test_at_a_terminal_it_has_one(runs: Runs) -> None:
    """Of the size that is there, also when that changes; Ctrl-C is the command's, and the terminal is afterwards as it was."""
    terminal = Terminal(runs, "bash", "--norc")
    terminal.type(b"tty; stty size; echo $TERM\r")
    terminal.until(b"/dev/pts/")
    terminal.until(b"33 101")
    terminal.resize(terminal.ours, 20, 70)
    os.killpg(terminal.process.pid, signal.SIGWINCH)
    terminal.type(b"sleep 300\r")
    time.sleep(0.5)
    terminal.type(b"\x03")
    terminal.type(b"echo $(stty size) is the size\r")
    terminal.until(b"20 70 is the size")
    terminal.type(b"exit 5\r")
    assert terminal.process.wait(20) == 5
    assert gone(runs)


def test_a_shell_is_the_framework_s(runs: Runs) -> None:
    """raab's own project is none of Flask's for its commands, so it is Python's; and what is piped into it is run."""
    out, _ = runs.run(verb="shell", stdin=b"import flask; print(6 * 7)\n")
    assert out == b"42\n"
    terminal = Terminal(runs, verb="shell")
    terminal.until(b">>> ")
    terminal.type(b"import os; os.getcwd()\r")
    terminal.until(b"/app'")
    terminal.type(b"\x04")
    assert terminal.process.wait(20) == 0


def test_by_itself_it_outlives_the_connection_and_can_be_looked_after(runs: Runs) -> None:
    out, _ = runs.run("sh", "-c", "echo printed; sleep 300", options=("--detach",))
    unit = out.decode().split()[1]
    assert runs.shell.run(f"systemctl is-active {unit}").out == "active\n"
    assert "printed" in runs.shell.run(f"journalctl --sync; journalctl -u {unit} -o cat").out
    runs.shell.run(f"systemctl stop {unit}")


def test_on_the_host_an_operator_types_the_same(runs: Runs) -> None:
    """And of a service that he names."""
    assert runs.shell.run("raab run -- printf '%s|' 'a b' '' -x -- '$HOME'").out == "a b||-x|--|$HOME|"
    done = runs.shell.run("raab -s raab run -- sh -c 'cat; echo no >&2; exit 3'", stdin=b"yes", check=False)
    assert (done.status, done.out, done.err) == (3, "yes", "no\n")
    assert runs.shell.run("raab run", check=False).status == 2
    assert runs.shell.run("raab shell", stdin=b"print(1)\n").out == "1\n"
    assert "only root" in runs.shell.run("setpriv --reuid=raab --regid=raab --clear-groups raab run -- id", check=False).err
    assert gone(runs)


def test_nothing_to_run_and_several_hosts_are_refused(runs: Runs) -> None:
    assert b"names no command" in runs.run(code=2)[1]


TIDY = """\
# Written by raab: tidy of the release {release}.
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo one; while [ -e /run/hold ]; do sleep 0.05; done; echo two >&2; exit 3'
"""


@pytest.fixture
def tidy(runs: Runs) -> Iterator[None]:
    """A timer of that name, whose round is under way."""
    release = runs.shell.run("basename $(realpath /opt/raab/current)").out.strip()
    for kind in ("service", "timer"):
        runs.shell.put(f"/etc/systemd/system/raab@tidy.{kind}", TIDY.format(release=release))
    runs.shell.run("systemctl daemon-reload; touch /run/hold; systemctl start --no-block raab@tidy")
    yield
    runs.shell.run("rm -f /run/hold /etc/systemd/system/raab@tidy.*; systemctl stop raab@tidy; systemctl daemon-reload")


@pytest.mark.usefixtures("tidy")
def test_what_a_timer_runs_is_run_now(runs: Runs) -> None:
    """In its own unit: who asks while it runs waits for that one. What it prints and its exit code are passed on."""
    words = (FAB, "run", "tidy", "--hosts", runs.host.name)
    for _ in range(2):
        with subprocess.Popen(words, cwd=ROOT, env=runs.environ, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout and process.stdout.readline() == "one\n"
            runs.shell.run("rm -f /run/hold")
            assert (process.stdout.read(), process.wait(30)) == ("two\n", 3)
    # Its process ends before the journal can see whose it is, on a busy host in every other round.
    for _ in range(5):
        done_here = runs.shell.run("raab run tidy", check=False)
        assert (done_here.status, done_here.out) == (3, "one\ntwo\n")
    assert runs.shell.run("journalctl -u raab@tidy -o cat | grep -c one").out == "7\n"
    assert "it has: tidy" in runs.shell.run("raab run tody", check=False).err


def test_a_release_is_kept_while_a_command_runs_in_it(runs: Runs) -> None:
    """By the host's own word on what may not be pruned; the web's workers keep it as well, and are stopped."""
    release = runs.shell.run("basename $(realpath /opt/raab/current)").out.strip()
    asked = (
        "import re, sys; text = open('/usr/local/lib/raab/__main__.py').read();"
        "sys.path.insert(0, re.search(r\"insert.0, '(.*)'\", text)[1]);"
        "from raab.host.beside import there; from raab.host.paths import Paths; print(*there.releases(Paths('raab')))"
    )
    runs.shell.run("systemctl stop raab")
    assert runs.shell.run("python3 -IS -", stdin=asked.encode()).out.split() == []
    with runs.start("sh", "-c", "echo begun; cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdin and process.stdout.readline() == b"begun\n"
        assert runs.shell.run("python3 -IS -", stdin=asked.encode()).out.split() == [release]
        process.stdin.close()
        assert process.wait(20) == 0
    runs.shell.run("systemctl start raab")
