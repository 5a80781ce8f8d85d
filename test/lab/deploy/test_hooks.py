"""What a deployer has a host run: with what the service has, no longer than it may, and nothing of it is left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from raab.lab.shell import Shell
from raab.lab.state import LabHost

DROP_IN = """[Service]
Environment="QUOTED=it's \\"fine\\"" PERCENT=100%% UNIT=%n-%p "DOLLAR=$HOME ${NONE}"
Environment=OVERRIDDEN=unit
EnvironmentFile=/etc/raab/environment
EnvironmentFile=-/etc/raab/none
"""
FILE = """# of the host
MOTTO=it's fine
OVERRIDDEN='from the file'
LINES="first
second line"
URL=postgres://shop:50%25-s3cr3t%n@db/shop?x=$y
BACK="a\\\\b"
"""
WANTED = {
    "QUOTED": "it's \"fine\"", "PERCENT": "100%", "UNIT": "raab.service-raab", "DOLLAR": "$HOME ${NONE}", "OVERRIDDEN": "from the file",
    "MOTTO": "it's fine", "LINES": "first\nsecond line", "URL": "postgres://shop:50%25-s3cr3t%n@db/shop?x=$y", "BACK": "a\\b",
    "RAAB_ENVIRONMENT": "production",
}  # fmt: skip
# Parts of values, and of the credential, that nothing else on a host has in its words.
SECRETS = ("it's fine", "second line", "s3cr3t", "hush-hush")
# As the service's process has it, and what systemd makes anew for each.
OWN = (
    "CREDENTIALS_DIRECTORY", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
    "MAINPID", "RAAB_RELEASE_DIR", "PWD", "OLDPWD", "SHLVL", "_", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LC_CTYPE",
)  # fmt: skip
TOLD = """
import json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"])
told = {"environment": dict(os.environ), "credentials": {file.name: file.read_text() for file in folder.iterdir()}, "uid": os.getuid()}
told.update(folder=os.getcwd(), current=os.path.realpath("/opt/raab/current"), prefix=sys.prefix)
pathlib.Path("/var/lib/raab", sys.argv[1]).write_text(json.dumps(told))
time.sleep(0.5)
"""
# All words of all processes, again and again, until it is told to end.
SAMPLER = """
import glob, pathlib
seen = set()
while not pathlib.Path("/run/sampled").exists():
    for name in glob.glob("/proc/[0-9]*/cmdline"):
        try: seen.add(pathlib.Path(name).read_bytes())
        except OSError: pass
pathlib.Path("/run/sampled").write_bytes(b"\\n".join(seen))
"""
NAMES = ("migrate", "before_activate", "after_activate")


def environment(host: LabHost, rest: str) -> str:
    return f"hosts: {{h1: {{address: {host.address}}}}}\nidentity: {host.key}\nknown_hosts: {host.known_hosts}\n{rest}"


def test_on_a_first_deploy_each_has_what_the_service_will_have(project: Any, lab: Any) -> None:
    """By the release's unit and the host's drop-ins: its environment, whatever the values, its credentials, its user. None of these values
    is ever a word of a command, which every user of the host could read."""
    host = lab.fresh()
    shell = lab.shell(host)
    shell.run("mkdir -p /etc/raab /etc/systemd/system/raab.service.d && install -m 700 -d /etc/raab/credentials")
    shell.run("cat >/etc/systemd/system/raab.service.d/more.conf", stdin=DROP_IN.encode())
    shell.run("cat >/etc/raab/environment", stdin=FILE.encode())
    shell.run("install -m 600 /dev/stdin /etc/raab/credentials/token", stdin=b"hush-hush")
    shell.run(
        "cat >/tmp/sampler.py && rm -f /run/sampled && (setsid python3 -IS /tmp/sampler.py >/dev/null 2>&1 &)", stdin=SAMPLER.encode()
    )
    migrate, *hooks = [f"{name}: {{command: {json.dumps(f'python -c {quoted(TOLD)} {name}')}}}\n" for name in NAMES]
    project.environment("hooks", environment(host, f"hooks:\n  {'  '.join(hooks)}"))
    config = project.root / "deploy/config.yaml"
    config.write_text(config.read_text() + migrate)
    project.fab("deploy", "--env", "hooks")
    release = f"/opt/raab/releases/{project.release()}"
    sampled = shell.run("touch /run/sampled; while ! test -s /run/sampled; do sleep 0.05; done; cat /run/sampled").out
    service = served(shell)
    for name in NAMES:
        told = json.loads(shell.run(f"cat /var/lib/raab/{name}").out)
        assert {key: told["environment"].get(key) for key in WANTED} == WANTED
        # And the release's own programs and code beside.
        own = {"PATH": f"{release}/venv/bin:{service['PATH']}", "PYTHONPATH": f"{release}/app"}
        assert lasting(told["environment"]) == {**service, **own}
        assert (told["environment"]["RAAB_RELEASE_DIR"], told["folder"]) == (release, f"{release}/app" if name == "migrate" else release)
        assert (told["credentials"], told["uid"]) == ({"raab_token": "hush-hush", "service": "raab"}, int(shell.run("id -u raab").out))
        assert told["prefix"] == f"{release}/venv"
        assert told["current"] == (release if name == "after_activate" else "/opt/raab/current")
        assert f"{name}\0" in sampled
    assert not [secret for secret in SECRETS if secret in sampled]
    assert_nothing_left(shell)
    shell.run("rm -r /etc/systemd/system/raab.service.d /etc/raab/environment /etc/raab/credentials/token")
    shell.run("systemctl daemon-reload && systemctl restart raab")


def quoted(text: str) -> str:
    assert "'" not in text
    return f"'{text}'"


def lasting(found: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if name not in OWN and not name.startswith("HANDOVER_")}


def served(shell: Shell) -> dict[str, str]:
    words = shell.run("cat /proc/$(systemctl show -p MainPID --value raab)/environ").out.split("\0")
    return lasting(dict(word.split("=", 1) for word in words if word))


def assert_nothing_left(shell: Shell) -> None:
    units = "systemctl list-units --all --plain --no-legend 'raabnow*'; ls /run/systemd/system | grep raabnow"
    assert shell.run(f"{units}; grep -l raabnow /proc/[0-9]*/cgroup", check=False).out == ""


DRIVER = """
import json, re, sys, time
from pathlib import Path
sys.path.insert(0, re.search("insert.0, '(.*)'", Path("/usr/local/lib/raab/__main__.py").read_text())[1])
from raab.errors import RaabError
from raab.host.units import hook
from raab.host.paths import Paths
from raab.protocol.requests import Command
began, said, error = time.monotonic(), [], ""
try:
    hook.run(Paths("raab"), Path("/opt/raab/current").resolve(), "tried", Command(**ENTRY), said.append)
except RaabError as raised:
    error = str(raised)
print(json.dumps([said, error, time.monotonic() - began]))
"""


class Hooked:
    """A host on which root's program, as the last deploy has installed it, runs commands."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def run(self, command: str, timeout: float = 20, **more: Any) -> tuple[list[str], str]:
        """What was said, and why it failed; nothing is left afterwards, and it has not taken much longer than it may."""
        said, error, seconds = json.loads(self.shell.run("python3 -IS -", stdin=self.program(command, timeout, **more)).out)
        assert seconds < timeout + 3
        assert_nothing_left(self.shell)
        return said, error

    def program(self, command: str, timeout: float, **more: Any) -> bytes:
        return f"ENTRY = {dict(command=command, timeout=timeout, **more)!r}\n{DRIVER}".encode()


@pytest.fixture(scope="module")
def hooked(steady: Any, lab: Any) -> Hooked:
    """Of this tree, whatever another test has left there."""
    (host,) = lab.hosts(1)
    steady.fab("deploy", "--hosts", host.name)
    return Hooked(lab.shell(host))


DAEMON = """venv/bin/python -c '
import os, signal, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
os.closerange(0, 3)
time.sleep(300)
'"""


def test_nothing_of_a_command_outlives_it_and_none_its_limit(hooked: Hooked) -> None:
    """A daemon of the book, which has left its session, its parents and its descriptors and ignores whatever it can; and who starts one by
    mistake is told so."""
    said, error = hooked.run(f"{DAEMON}; echo begun")
    assert (said[0], error) == ("begun", "")
    assert said[1].startswith("hook tried: what it left running was ended, got python (") and said[2].startswith("hint: ")
    said, error = hooked.run("sleep 300 & echo begun")
    assert "ended, got sleep (" in said[1]
    # What ends by itself in a moment is no daemon.
    assert hooked.run("sleep 0.2 & echo begun") == (["begun"], "")
    said, error = hooked.run(f"{DAEMON}; trap '' TERM HUP INT; echo waiting; while :; do sleep 1; done", timeout=1.5)
    assert error.startswith("hook tried: did not end within 1.5 s, and was ended after ") and "got: waiting" in error
    said, error = hooked.run(f"{DAEMON}; echo because; exit 3")
    assert error.startswith("hook tried: exit code 3 after ") and "got: because\n" in error
    assert "ended by signal 9" in hooked.run("kill -9 $$")[1]


def test_a_limit_holds_though_root_s_program_is_killed(hooked: Hooked) -> None:
    """systemd keeps it; what is left of the unit goes with the next one."""
    shell = hooked.shell
    program = hooked.program(f"{DAEMON}; touch /var/lib/raab/begun; sleep 300", 2)
    shell.run(
        "rm -f /var/lib/raab/begun; cat >/run/hooked.py && { python3 -IS /run/hooked.py >/dev/null 2>&1 & echo $! >/run/hooked.pid; }",
        stdin=program,
    )
    shell.run("until test -e /var/lib/raab/begun; do sleep 0.05; done; kill -9 $(cat /run/hooked.pid); sleep 2.5")
    assert shell.run("grep -l raabnow /proc/[0-9]*/cgroup; ls /run/systemd/system | grep -c raabnow", check=False).out == "1\n"
    assert hooked.run("true") == ([], "")


def test_a_command_is_given_to_the_shell_as_it_stands(hooked: Hooked) -> None:
    """systemd has signs of its own in a command, and so has its file."""
    words = """printf '%s|' "it's" '$HOME ${PWD}' '%n 100%' 'a\\b' "two
lines" é; echo "$0 $PPID" >/dev/null; echo "${RAAB_ENVIRONMENT}" """
    assert hooked.run(words) == (["it's|$HOME ${PWD}|%n 100%|a\\b|two", "lines|é|production"], "")


def test_what_is_printed_is_bounded_and_fit_for_a_terminal(hooked: Hooked) -> None:
    """Whoever prints without end neither waits nor fills the host's memory."""
    said, error = hooked.run("yes 0123456789 | head -c 300000000; printf '\\n\\033[2J\\n\\342\\200\\256x\\n'; exit 1")
    assert said[-2:] == ["\\x1b[2J", "\\u202ex"] and len(said) <= 500 and "\x1b" not in error
    assert error.startswith("hook tried: exit code 1 after ")


SEALED = "[Service]\nPrivateNetwork=yes\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX\nIPAddressDeny=any\n"


def test_a_command_may_what_the_service_may_and_what_its_entry_says(hooked: Hooked) -> None:
    shell = hooked.shell
    shell.run("install -d -o raab /srv/data /srv/other; mkdir -p /etc/systemd/system/raab.service.d")
    drop_in = "/etc/systemd/system/raab.service.d/sealed.conf"
    for path in ("/opt/raab/x", "/opt/raab/current/x", "/srv/data/x", "/etc/x", "/usr/x"):
        assert "exit code 2" in hooked.run(f"echo x >{path}")[1], path
    assert hooked.run("touch $STATE_DIRECTORY/x; echo x >/srv/data/x && cat /srv/data/x", write=("/srv/data",)) == (["x"], "")
    assert "exit code 2" in hooked.run("echo x >/srv/other/x", write=("/srv/data",))[1]
    tried = "cp /bin/true /srv/data/true; chmod 700 /srv/data/true; /srv/data/true"
    assert "exit code 126" in hooked.run(tried, write=("/srv/data",))[1]
    connect = "venv/bin/python -c 'import socket; socket.create_connection((\"127.0.0.1\", 22), 5)'"
    shell.run(f"cat >{drop_in}", stdin=SEALED.encode())
    try:
        assert "exit code 1" in hooked.run(connect)[1]
        assert hooked.run(connect, network=True) == ([], "")
    finally:
        shell.run(f"rm {drop_in}")
    assert hooked.run(connect) == ([], "")


def test_paths_that_are_raab_s_own_are_nobody_s_to_write(hooked: Hooked) -> None:
    """By a link, too."""
    hooked.shell.run("ln -sfn /opt/raab /srv/link")
    for path, why in (
        ("/srv/none", "no such path"),
        ("/srv/link", "run by"),
        ("/opt", "run by"),
        ("/etc/raab/credentials", "run by"),
        ("/proc/sys", "kernel"),
    ):
        _, error = hooked.run("true", write=(path,))
        assert error.startswith("hook tried: write: ") and why in error and f"got {path}\nhint: " in error
