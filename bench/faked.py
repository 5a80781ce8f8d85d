"""Hosts that are a shell script: it stands for `ssh` and answers as a host does that serves, at once and with nothing behind it.

All of the deployer is real, its processes, pipes and descriptors too; the hosts take next to nothing of the machine, so that there can be
a thousand of them.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from raab.deploy.bundle.parts import Bundle
from raab.deploy.plan.environment import Host
from raab.deploy.plan.values import Supplies
from raab.host.paths import template_name
from raab.protocol import answers, conversation
from raab.protocol.answers import Step, Verdict
from raab.protocol.conversation import Done
from raab.protocol.facts import Ahead, HostFacts, InstalledRelease
from raab.protocol.service import Own, ServiceStatus

PYTHON, MACHINE = "3.11.2", "x86_64"
RELEASES = 5
# What an activation tells before its verdict.
STEPS = ("verified", "the template has loaded it", "asked", "switched", "generation 8 serves", "every worker answers", "pruned")
# Stands for a host's name in an answer, which is the same for all others.
NAME = "@HOST@"
SSH = """\
#!/bin/sh
while [ "$1" != -- ]; do [ "$1" = -E ] && log=$2; shift; done
host=$2
echo "Authenticated to $host ([127.0.0.1]:22) using publickey." >"$log"
read -r size
head -c "$size" >/dev/null
say() {{ printf '%s' "${{1%%{name}*}}"; case $1 in *{name}*) printf '%s' "$host${{1#*{name}}}" ;; esac; echo; }}
while IFS= read -r line; do
    case $line in
    '') ;;
{cases}
    *) exit 70 ;;
    esac
done
"""
# A payload follows its request: so many bytes as the sizes in it come to.
TAKE = """\
rest=$line total=0
    while case $rest in *'"size": '*) true ;; *) false ;; esac; do
        rest=${rest#*'"size": '} && total=$((total + ${rest%%[!0-9]*}))
    done
    head -c "$total" >/dev/null;"""


def program(folder: Path, before: Bundle, commit: str, supplies: Supplies, port: int) -> Path:
    """Write it, as `folder`/ssh. Each host serves the release `before`, made of that commit, and has what it consists of; the service
    answers at that port."""
    found = facts(before, commit, supplies)
    release = found.current or ""
    own = Own(7, 4, 4, (), (f"0.0.0.0:{port}",))
    texts = {"requirements.lock": f"pinned==1.0 --hash=sha256:{'0' * 64}\n"}
    verdict = Verdict(True, before=release, serves=release, asked=True, seconds=1.0, probe=answers.Probe(50, 0, 0.01))
    said: dict[str, tuple[conversation.Event, ...]] = {
        "facts": (Done(answers.Facts(found)),),
        "lock": (Done(answers.Facts(found)),),
        "let_go": (Done(answers.Nothing()),),
        "label": (Done(answers.Nothing()),),
        "ahead": (Done(answers.Outlook(Ahead())),),
        "texts": (Done(answers.Texts(texts)),),
        "status": (Done(answers.Status(ServiceStatus("active", release, before.version, own))),),
        "stage": (Step("made of links"), Done(answers.Staged(1, 0.01, 0.02))),
        "activate": (*(Step(text, 0.1) for text in STEPS), Done(answers.Activated(verdict))),
    }
    cases = "\n".join(case(operation, events) for operation, events in said.items())
    file = folder / "ssh"
    file.write_text(SSH.format(cases=cases, name=NAME))
    file.chmod(0o755)
    return file


def case(operation: str, events: tuple[conversation.Event, ...]) -> str:
    told = "".join(f" say {shlex.quote(conversation.tell(operation, event).decode().rstrip())};" for event in events)
    take = TAKE if operation == "stage" else ""
    return f"""    '{{"op": "{operation}"'*) {take}{told} ;;"""


def facts(before: Bundle, commit: str, supplies: Supplies) -> HostFacts:
    """Of a host that has been deployed to some times."""
    assert supplies.uv is not None
    names = [f"2026010{number}T000000Z-{'0' * 7}" for number in range(1, RELEASES)]
    kept = [InstalledRelease(name, True, name, before.version, "", before.lock, before.project) for name in names]
    current = InstalledRelease(before.id, True, before.content, before.version, commit, before.lock, before.project)
    chain = (*names, before.id)
    template = template_name((part.sha256 for part in supplies.wheels), PYTHON, MACHINE)
    return HostFacts(
        PYTHON, "CPython", "glibc 2.36", MACHINE, "Debian GNU/Linux 12 (bookworm)", 0, 1.0, 1 << 40, 1 << 41, 1 << 30, 252,
        executable="/usr/bin/python3.11", itself=NAME, releases=(*kept, current), current=before.id,
        cache=frozenset(part.sha256 for part in (*before.parts, *supplies.wheels, supplies.uv)), templates=frozenset((template,)),
        units={f"{before.service}.service": "0" * 64}, user=True, verdicts=dict.fromkeys(chain, "serving"), served=chain, once=chain,
        service={"ActiveState": "active", "SubState": "running", "MainPID": "1", "UnitFileState": "enabled"},
    )  # fmt: skip


def environment(name: str, count: int, root: Path, port: int) -> tuple[Host, ...]:
    """Write deploy/<name>.yaml of that many hosts, each at an address of its own of this machine. JSON is YAML."""
    places = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]
    document = {
        "hosts": {f"web{number}": {"address": place} for number, place in enumerate(places)},
        "user": "root", "ssh_config": "none", "service_port": port,
    }  # fmt: skip
    (root / "deploy" / f"{name}.yaml").write_text(json.dumps(document))
    return tuple(Host(f"web{number}", place, 0, "root", "", "", ("app",), "none") for number, place in enumerate(places))
