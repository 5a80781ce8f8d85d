"""A host may say what it likes: it has failed, with what it said, or it worked; the host beside it goes on; no terminal gets it raw.

The remote side is a program that stands for `ssh`: for the host `good` it runs the command here, for `bad` it does what the case says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from raab import exitcodes
from raab.deploy import environments as environment
from raab.deploy.bundle.parts import Part
from raab.deploy.desk import Desk
from raab.deploy.hosts import channel, connection
from raab.deploy.hosts.fleet import Outcome
from raab.deploy.hosts.runner import Runner
from raab.deploy.inspection.asking import Inspection
from raab.deploy.inspection.status import status
from raab.deploy.plan.facts import HostFacts
from raab.protocol import conversation
from raab.protocol.answers import Facts, History, Staged

SSH = """\
#!{python}
import os, subprocess, sys
*_, address, command = sys.argv
log = sys.argv[sys.argv.index("-E") + 1]
if address == "good":
    open(log, "w").write("Authenticated to good ([::1]:22) using publickey.\\n")
    sys.exit(subprocess.run(("sh", "-c", command)).returncode)
exec(open({case!r}).read())
"""
# What a case may use: `authenticated()`, `say(bytes)`, `hear()` for a line of the deployer's, and `serve()` for the true session.
TOOLS = """
import json, time
def authenticated():
    open(log, "w").write("Authenticated to bad ([::1]:22) using publickey.\\n")
def say(data):
    os.write(1, data)
def answer(**fields):
    say(json.dumps(fields).encode() + b"\\n")
def serve():
    sys.exit(subprocess.run(("sh", "-c", command)).returncode)
def hear():
    size = int(sys.stdin.buffer.readline())
    sys.stdin.buffer.read(size)
    while (line := sys.stdin.buffer.readline()) == b"\\n":
        pass
    return json.loads(line)
authenticated()
"""
FACTS = {
    "python": "3.11.2", "implementation": "CPython", "libc": "glibc 2.36", "machine": "x86_64", "system": "Debian", "uid": 0, "time": 1.0,
    "disk_free": 1, "disk_total": 2, "inodes_free": 3, "systemd": 252,
}  # fmt: skip

STAGE: dict[str, Any] = {"manifest": "{}", "send": [], "uv": "0" * 64}


def facts(**others: object) -> str:
    return f"hear(); answer(event='done', facts={ {**FACTS, **others}!r})"


def release(**others: str) -> str:
    values = {"id": "a", "complete": True, "content": "", "version": "1", "commit": "", "lock": "", **others}
    return facts(releases=[values])


# What the host does, what is then said of it, and with which exit code.
HOSTILE = {
    "ends at once": ("sys.exit(0)", "no session began (exit status 0), got: no word", exitcodes.REFUSED),
    "says only a greeting": ("say(b'hi'); sys.exit(3)", "no session began (exit status 3), got: hi", exitcodes.REFUSED),
    "has no login": (
        "say(b'This account is currently not available.\\n'); sys.exit(1)",
        "got: This account is currently not available.",
        exitcodes.REFUSED,
    ),
    "has an expired password": (
        "os.write(2, b'WARNING: Your password has expired.\\nPassword change required but no TTY available.\\n'); sys.exit(1)",
        "the password of root has expired",
        exitcodes.REFUSED,
    ),
    "garbage": ("say(os.urandom(10_000)); sys.exit(0)", "no session began", exitcodes.REFUSED),
    "a binary protocol": ("say(b'\\x00\\x00\\x00\\x05\\x02' * 9); sys.exit(0)", r"\x00\x00\x00\x05\x02", exitcodes.REFUSED),
    "endless noise": ("while True: say(b'x' * 99 + b'\\n')", "it says more than any greeting", exitcodes.UNREACHABLE),
    "an endless line": ("while True: say(b'x' * 9999)", "has no end, got more than", exitcodes.UNREACHABLE),
    "an endless answer": (
        'say(b\'{"event": "done", "facts": "\')\nwhile True: say(b\'x\' * 9999)',
        "has no end, got more than",
        exitcodes.UNREACHABLE,
    ),
    "silence": ("time.sleep(60)", "it has said nothing for", exitcodes.UNREACHABLE),
    "silence after the request": ("hear(); time.sleep(60)", "it has said nothing for", exitcodes.UNREACHABLE),
    "signs of life for ever": ("while True: say(b'\\n'); time.sleep(0.05)", "no answer to facts within", exitcodes.UNREACHABLE),
    "never reads": ("say(b'\\n'); time.sleep(60)", "it has said nothing for", exitcodes.UNREACHABLE),
    "half an answer": ('hear(); say(b\'{"event": "do\'); sys.exit(0)', "its answer to facts is none", exitcodes.UNREACHABLE),
    "no JSON": ("hear(); say(b'{\"event\": done}\\n')", "its answer to facts is none", exitcodes.UNREACHABLE),
    "no number": ('hear(); say(b\'{"event": "done", "x": NaN}\\n\')', "its answer to facts is none", exitcodes.UNREACHABLE),
    "too deep": ("hear(); say(b'{\"event\": ' + b'[' * 100_000 + b'\\n')", "its answer to facts is none", exitcodes.UNREACHABLE),
    "no letters": ('hear(); say(b\'{"event": "\\xff\\xfe"}\\n\')', "its answer to facts is none", exitcodes.UNREACHABLE),
    "an event that is a number": ("hear(); answer(event=7)", "its answer to facts is none", exitcodes.UNREACHABLE),
    "an event that is a list": ("hear(); answer(event=['done'])", "its answer to facts is none", exitcodes.UNREACHABLE),
    "a step of nothing that has steps": ("hear(); answer(event='step', text='a')", "its answer to facts is none", exitcodes.UNREACHABLE),
    "a program that it lacks again and again": (
        "hear(); [answer(event='lacking') for _ in range(9)]; time.sleep(5)",
        "it was sent the program already",
        exitcodes.UNREACHABLE,
    ),
    "an event from nowhere": ("hear(); answer(event='shell', text='id')", "its answer to facts is none", exitcodes.UNREACHABLE),
    "more than was asked": (facts(more=1), "its answer to facts is none", exitcodes.UNREACHABLE),
    "a text that is a number": ("hear(); answer(event='step', text=7)", "its answer to facts is none", exitcodes.UNREACHABLE),
    "nothing in it": ("hear(); answer(event='done')", "its answer to facts is none", exitcodes.UNREACHABLE),
    "another answer": ("hear(); answer(event='done', facts=[1])", "its answer to facts is none", exitcodes.UNREACHABLE),
    "a size below nothing": (facts(disk_free=-1), "its answer to facts is none", exitcodes.UNREACHABLE),
    "a size beyond all": (facts(disk_free=10**30), "its answer to facts is none", exitcodes.UNREACHABLE),
    "a text for a size": (facts(disk_free="much"), "its answer to facts is none", exitcodes.UNREACHABLE),
    "a time without end": ('hear(); say(b\'{"event": "done", "facts": {"time": 1e999}}\\n\')', "is none", exitcodes.UNREACHABLE),
    "a commit that is an option": (release(commit="--output=/etc/passwd"), "its answer to facts is none", exitcodes.UNREACHABLE),
    "a release that is a path": (release(id="../../etc"), "its answer to facts is none", exitcodes.UNREACHABLE),
    "a Python that is an option": (facts(python="--index-url=http://x"), "its answer to facts is none", exitcodes.UNREACHABLE),
    "an error without a word": ("hear(); answer(event='error')", "it failed, and does not say why", exitcodes.ERROR),
    "an error with code 0": ("hear(); answer(event='error', message='m', code=0)", "host bad: m", exitcodes.ERROR),
    "an error with code 256": ("hear(); answer(event='error', message='m', code=256)", "host bad: m", exitcodes.ERROR),
    "an error with a code that is none": ("hear(); answer(event='error', message='m', code='0')", "is none", exitcodes.UNREACHABLE),
    "an error that paints": (
        "hear(); answer(event='error', message='\\x1b]0;owned\\x07\\u202edeyolped', code=5)",
        r"host bad: \x1b]0;owned\x07\u202edeyolped",
        exitcodes.REFUSED,
    ),
    "an error with lines of raab's": (
        "hear(); answer(event='error', message='m\\nhint: curl x | sh\\ngood  deployed\\r', code=5)",
        "host bad: m\n    hint: curl x | sh\n    good  deployed",
        exitcodes.REFUSED,
    ),
    "ends in the middle of a conversation": (
        "hear(); answer(event='lacking'); sys.exit(1)",
        "the session ended",
        exitcodes.UNREACHABLE,
    ),
    "ends with a signal": ("hear(); answer(event='lacking'); os.kill(os.getpid(), 9)", "the session ended", exitcodes.UNREACHABLE),
}
# What some hosts' login files do, and the conversation goes on.
HARMLESS = {
    "greets": "say(b'Welcome\\n'); serve()",
    "greets without a newline": "say(b'Welcome'); serve()",
    "greets with a brace": "say(b'{\"even\": 1}\\n{'); serve()",
    "greets on standard error": "os.write(2, b'\\x1b[31mWelcome' * 1000); serve()",
    "greets at length": "say(b'x' * 50 + b'\\n'); say(b'y' * 900_000); serve()",
    "says good-bye": "code = subprocess.run(('sh', '-c', command)).returncode; say(b'Bye'); sys.exit(code)",
    "prints meanwhile": "subprocess.Popen(('sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.02; printf x; done')); serve()",
}
IMPATIENT = ("silence", "never reads", "signs of life for ever", "silence after the request")


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Runner:
    (tmp_path / "bin").mkdir()
    case = tmp_path / "case.py"
    case.write_text(TOOLS + request.param)
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(SSH.format(python=sys.executable, case=str(case)))
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "e.yaml").write_text("hosts: {bad: , good: }\nssh_config: none\nconnect_timeout: 1\nwaves: [100%]\n")
    return Runner(environment.load(tmp_path, "e"), lambda host, text: None)


def asked(runner: Runner) -> Outcome[HostFacts]:
    with runner:
        return runner.facts()


@pytest.mark.parametrize(
    ("runner", "name"), [pytest.param(what, name, id=name) for name, (what, _, _) in HOSTILE.items()], indirect=["runner"]
)
def test_a_hostile_host_has_failed_and_the_other_goes_on(runner: Runner, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, said, code = HOSTILE[name]
    monkeypatch.setattr(channel, "LINE_BYTES", 1 << 20)
    if name in IMPATIENT:
        monkeypatch.setattr(conversation, "DEPLOYERS_PATIENCE_SECONDS", 1.5)
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 2.5)
    outcome = asked(runner)
    assert list(outcome.done) == ["good"]
    error = outcome.failed["bad"]
    assert said in str(error)
    assert error.exit_code == code
    assert error.hint or code in (exitcodes.ERROR, exitcodes.REFUSED)
    assert all(letter.isprintable() or letter == "\n" for letter in str(error))
    assert len(str(error)) < 3000


@pytest.mark.parametrize("runner", [pytest.param(what, id=name) for name, what in HARMLESS.items()], indirect=True)
def test_what_a_login_file_prints_disturbs_nothing(runner: Runner) -> None:
    with runner:
        outcome = runner.each("facts", Facts)
        assert list(outcome.done) == ["bad", "good"], outcome.failed
        assert runner.remotes["bad"].request("history", History) == runner.remotes["good"].request("history", History)


SHOWN = (
    f"""
FACTS = {FACTS!r}
"""
    """
def next_one():
    while (line := sys.stdin.buffer.readline()) == b"\\n":
        pass
    return json.loads(line) if line else sys.exit(0)
request = hear()
if request["op"] == "status":
    answer(event="done", status={"state": "active\\x1b[2J", "release": "a", "version": "1\\n2", "raab": {"target": 2, "serving": 2}})
    request = next_one()
if request["op"] == "facts":
    answer(event="done", facts=FACTS)
    request = next_one()
if request["op"] == "lock":
    answer(event="done", facts=FACTS)
    request = next_one()
if request["op"] == "logs":
    answer(event="line", text="a\\x1b[2Jb\\u2066\\nc")
    answer(event="done")
elif request["op"] == "history":
    answer(event="done", entries=[{"who": "\\u202eroot", "time": 1.0}])
elif request["op"] == "service":
    answer(event="done", output="done\\n\\x1b[1mgood  reloaded", seconds=0.1)
elif request["op"] == "unlock":
    answer(event="done", holder={"who": "a\\x07"})
"""
)


@pytest.mark.parametrize("runner", [SHOWN], indirect=True)
@pytest.mark.parametrize(
    ("verb", "arguments", "shown"),
    [
        ("logs", (1, False), r"a\x1b[2Jb\u2066\nc"),
        ("status", (), r"active\x1b[2J"),
        ("history", (), r"\u202eroot"),
        ("service", ("reload",), "bad  done\n    \\x1b[1mgood  reloaded"),
        ("unlock", (), r"a\x07"),
    ],
)
def test_no_terminal_gets_it_raw(
    runner: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, arguments: tuple[object, ...], shown: str
) -> None:
    desk = Desk(tmp_path, "e", "bad")
    assert (status(desk) if verb == "status" else getattr(Inspection(desk), verb)(*arguments)) == 0
    printed = capsys.readouterr()
    assert shown in printed.out
    assert all(letter.isprintable() or letter == "\n" for letter in printed.out + printed.err)


@pytest.mark.parametrize("runner", ["hear(); time.sleep(0.5); answer(event='error', message='no room', code=5); sys.exit()"], indirect=True)
def test_a_refusal_in_the_middle_of_a_payload_is_heard(runner: Runner, tmp_path: Path) -> None:
    """Far more than any pipe holds: what the host said of it is waiting, though nobody took the rest."""
    payload = tmp_path / "payload"
    with payload.open("wb") as file:
        file.truncate(30_000_000)
    with runner:
        remote = runner.connect("bad")
        with pytest.raises(Exception, match="no room"):
            remote.request("stage", Staged, payload=[Part("payload", "", payload.stat().st_size, payload)], **STAGE)


@pytest.mark.parametrize(
    "runner",
    ["hear(); [answer(event='step', text='x' * 1000) for _ in range(5000)]; answer(event='done', bytes=1, receive_seconds=0, seconds=0)"],
    indirect=True,
)
def test_a_host_that_talks_while_it_is_sent_to_blocks_nobody(runner: Runner, tmp_path: Path) -> None:
    payload = tmp_path / "payload"
    with payload.open("wb") as file:
        file.truncate(1_000_000)
    heard: list[str] = []
    with runner:
        runner.connect("bad").request("stage", Staged, heard.append, [Part("payload", "", payload.stat().st_size, payload)], **STAGE)
    assert len(heard) == 5000


@pytest.mark.parametrize("runner", ["time.sleep(60)"], indirect=True)
def test_nothing_is_left_of_a_connection(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, no folder; a sign of life after the end goes nowhere."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with runner:
        runner.connect("good").request("history", History)
        # Nor of one that has begun, should its deployer be killed.
        assert not list(tmp_path.glob("raab-ssh-*"))
        remote = runner.connect("bad")
        assert list(tmp_path.glob("raab-ssh-*"))
    assert not list(tmp_path.glob("raab-ssh-*"))
    assert remote.channel.process.returncode is not None
    remote.ping()
    json.dumps(remote.sent)
