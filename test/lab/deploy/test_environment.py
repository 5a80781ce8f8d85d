"""Variables and secrets, from the project's files to what a worker and a command have, and back by a rollback."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from typing import Any

import pytest

from raab.deploy.bundle.surroundings import written
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

MIX = Mix(fresh=20, reused=20)
# Whatever a text may have that systemd, a shell or YAML has a meaning for.
ODD = " '\"\\\\ \\n $HOME ${X} $(id) `id` %n %% #x ;y & | = é☃😀\t\u2028\u0085 two\nlines\n[Service]\nUser=root\n "
SECRET, NEXT = "s3cr3t-'\"\\ %n $HOME é\nsecond line", "an0ther-s3cr3t"
# Parts of both that nothing else has in its words.
TRACES = ("s3cr3t", "second line")
NAMES = ("LEVEL", "ODD", "KEY", "PLAIN", "RAAB_ENVIRONMENT")
# Gives the variables that it is asked for, and the process that has them.
CARD = """"given": {name: __import__("os").environ.get(name) for name in NAMES}, "pid": __import__("os").getpid(), "service":"""
TELL = 'import json, os; print(json.dumps({name: os.environ.get(name) for name in NAMES}), file=open("/var/lib/raab/told", "w"))'
STARTED = "systemctl show -p NRestarts,ActiveEnterTimestampMonotonic raab"
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


class Given:
    """A project with variables and a secret, on a host without a past."""

    def __init__(self, project: Any, host: LabHost, shell: Shell) -> None:
        self.project, self.host, self.shell = project, host, shell
        self.said = ""
        card = project.root / "src/raab/modules/home/__init__.py"
        card.write_text(card.read_text().replace('"service":', CARD.replace("NAMES", repr(NAMES))))
        config = project.root / "deploy/config.yaml"
        config.write_text(config.read_text() + "env: {LEVEL: info, PLAIN: 8}\nsecrets: [KEY]\n")
        self.environment()

    def environment(self, env: str = "", hook: str = "") -> None:
        hooks = f"hooks: {{before_activate: {{command: {json.dumps(hook)}}}}}\n" if hook else ""
        self.project.environment("lab", f"hosts: lab\nwaves: [100%]\n{env}{hooks}")

    def fab(self, *words: str, expect: int = 0, stdin: str = "") -> str:
        command = self.project.command(*words, "--hosts", self.host.name)
        done = subprocess.run(
            command, cwd=self.project.root, env=self.project.environ, input=stdin.encode(), capture_output=True, timeout=240
        )
        said = (done.stdout + done.stderr).decode()
        self.said += said
        assert done.returncode == expect and "Traceback" not in said, said
        return said

    def served(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self.host.address}:8000/", timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def each(self) -> dict[int, dict[str, str]]:
        """What each of the two workers has."""
        found: dict[int, dict[str, str]] = {}
        end = time.monotonic() + 20
        while len(found) < 2 and time.monotonic() < end:
            told = self.served()
            found[told["pid"]] = told["given"]
        return found

    def unnoticed(self) -> Load:
        return Load([(self.host.address, 8000)], MIX)


@pytest.fixture
def given(project: Any, lab: Any) -> Given:
    host = lab.fresh()
    return Given(project, host, lab.shell(host))


def test_a_project_gives_its_service_variables_and_secrets(given: Given) -> None:
    """Missing secrets are refused before anything is sent. A change of the environment's variables alone is a deploy, without a restart,
    and a rollback takes it back; a secret is rotated by a reload. No request notices any of it."""
    refused = given.fab("deploy", expect=5)
    assert "the host lacks what the release needs, got no KEY" in refused and "hint: fab secrets set KEY" in refused
    assert "KEY is set" in given.fab("secrets", "set", "KEY", stdin=f"{SECRET}\n")
    given.fab("deploy")
    first = given.served()
    assert first["given"] == {"LEVEL": "info", "PLAIN": "8", "KEY": SECRET, "ODD": None, "RAAB_ENVIRONMENT": "production"}
    assert "nothing changes" in given.fab("deploy")
    hook = f"venv/bin/python -c '{TELL.replace('NAMES', json.dumps(NAMES))}'"
    given.environment(f"env: {{LEVEL: debug, ODD: {written(ODD)}, PLAIN: }}\n", hook)
    began = given.shell.run(STARTED).out
    with given.unnoticed() as load:
        assert "env.LEVEL" in given.fab("plan")
        given.fab("deploy")
        second = given.served()
        assert second["given"] == {**first["given"], "LEVEL": "debug", "ODD": ODD, "PLAIN": None}
        assert json.loads(given.shell.run("cat /var/lib/raab/told").out) == second["given"]
        given.fab("rollback")
        assert (given.served()["given"], given.served()["release"]) == (first["given"], first["release"])
        given.fab("secrets", "set", "KEY", "--from", f"printf {NEXT}")
        assert {held["KEY"] for held in given.each().values()} == {SECRET}
        given.fab("reload")
        assert {held["KEY"] for held in given.each().values()} == {NEXT}
    assert load.account.total > 100 and not load.account.failures, load.account.line()
    assert given.shell.run(STARTED).out == began


@pytest.mark.prove
def test_a_secret_is_seen_nowhere(given: Given) -> None:
    """Neither in what any verb prints, nor in a journal, a command line, a bundle, a release, a unit or a file that others can read: while
    it is set, imported, used by a hook, refused, taken away by hand and rotated, in a deploy that works and in one that does not."""
    shell, root = given.shell, given.project.root
    shell.run(
        "cat >/tmp/sampler.py && rm -f /run/sampled && (setsid python3 -IS /tmp/sampler.py >/dev/null 2>&1 &)", stdin=SAMPLER.encode()
    )
    given.fab("secrets", "set", "KEY", stdin=SECRET)
    given.fab("secrets", "set", "OTHER", stdin=SECRET, expect=2)
    given.environment(hook=f"test $(printenv KEY | wc -c) -eq {len(SECRET.encode()) + 1}")
    given.fab("deploy")
    assert {held["KEY"] for held in given.each().values()} == {SECRET}
    (root / "secrets.env").write_text(f"KEY='{TRACES[0]}-again'\nMORE={TRACES[0]}\n")
    assert "does not name them: MORE" in given.fab("secrets", "import", "secrets.env")
    given.fab("reload")
    assert {held["KEY"] for held in given.each().values()} == {f"{TRACES[0]}-again"}
    told = json.loads(given.fab("secrets", "list", "--json"))
    (one,) = (one for one in told["secrets"] if one["name"] == "KEY")
    assert one["declared"] and one["hosts"][given.host.name]["changed"] > time.time() - 600
    assert "the release that is current needs it" in given.fab("secrets", "rm", "KEY", expect=5)
    assert "was not there" in given.fab("secrets", "rm", "NONE")
    # What is gone behind raab's back is refused, and who serves has it still.
    shell.run("mkdir /root/kept && mv /etc/raab/credentials*/KEY /root/kept")
    assert "got none for KEY" in given.fab("reload", expect=5)
    assert "got no KEY" in given.fab("deploy", "--restart", expect=5)
    assert {held["KEY"] for held in given.each().values()} == {f"{TRACES[0]}-again"}
    given.fab("secrets", "set", "KEY", stdin=SECRET)
    given.project.break_app('import os; raise RuntimeError(len(os.environ["KEY"]))')
    given.fab("deploy", expect=4)
    for words in (("status",), ("doctor",), ("history",), ("plan", "--json"), ("deploy", "--dry-run"), ("logs", "--lines", "500")):
        given.fab(*words)
    said = shell.run("raab config; raab check; raab status; raab metrics", check=False)
    assert re.search(r"secret\.KEY +\*{8} +credential (raab|sealed)_KEY", said.out)
    assert re.search(r"env\.LEVEL +info +\S+config\.yaml", said.out)
    sampled = shell.run("touch /run/sampled; while ! test -s /run/sampled; do sleep 0.05; done; cat /run/sampled").out
    journal = shell.run("journalctl --no-pager --output=export").out
    for trace in TRACES:
        assert trace not in given.said + said.out + said.err + sampled + journal
        places = "/opt /etc /run/systemd /usr/local /var/lib/raab /var/log /tmp"
        assert shell.run(f"grep -rlsF '{trace}' {places}", check=False).out.split() in ([], ["/etc/raab/credentials/KEY"])
        assert not [path for path in (root / "build").rglob("*") if path.is_file() and trace.encode() in path.read_bytes()]
    # Of the service's processes those that load the application have it, and the master has not.
    master = shell.run("systemctl show -p MainPID --value raab").out.strip()
    assert shell.run(f"grep -c '{TRACES[0]}' /proc/{master}/environ", check=False).out.strip() == "0"
    assert shell.run("stat -c '%a %U' /etc/raab/credentials /etc/raab/credentials.encrypted").out.split("\n")[:2] == ["700 root"] * 2
