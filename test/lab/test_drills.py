"""The drills pass on real hosts, and each of them fails when what it guards is broken: a drill that cannot fail shows nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raab.deploy import environments
from raab.drill.catalogue import DRILLS, choose
from raab.drill.progress import Progress
from raab.drill.runner import Pace, Runner
from raab.drill.stage.project import Project
from raab.drill.stage.service import PATHS
from raab.lab import lab as lifecycle

if TYPE_CHECKING:
    from .conftest import LabForTests

ROOT = Path(__file__).resolve().parents[2]
# Enough to notice, and short.
PACE = Pace(rate=60, times=0.02, steady=1.0)
WAITED = "the slowest request waited"


@dataclass(frozen=True)
class Patch:
    """A change of the code: a text that stands there once, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Sabotage:
    """What is broken, and the drills that have to say so: each with a pattern for one of its reasons. `command` is run on the hosts."""

    name: str
    drills: dict[str, str]
    patches: tuple[Patch, ...] = ()
    command: str = "true"

    def apply(self, project: Project) -> None:
        for patch in self.patches:
            file = project.root / patch.file
            text = file.read_text()
            assert text.count(patch.old) == 1, f"{patch.file} holds {patch.old!r} {text.count(patch.old)} times"
            file.write_text(text.replace(patch.old, patch.new))


SABOTAGES = (
    Sabotage(
        "old workers leave as soon as new ones are forked, as gunicorn has it",
        {
            **dict.fromkeys(("reload", "hup", "hup-storm", "settings", "deploy", "rollback", "slow-clients"), WAITED),
            **{f"broken-{name}": "old workers after the refused HUP" for name in ("raises", "syntax", "exits", "dies", "hangs", "unready")},
        },
        (
            Patch(
                "src/handover/decision/ordering.py",
                "incoming, _surplus(fleet, new))\n\n\ndef _one_by_one",
                "incoming, tuple(m.pid for m in fleet.of(Phase.SERVING) if m.generation != incoming))\n\n\ndef _one_by_one",
            ),
        ),
    ),
    Sabotage(
        "the master dies of bad settings and of its successor's death, forgets the target, answers before slow workers are there",
        {
            **dict.fromkeys(("broken-yaml", "broken-settings", "broken-config", "broken-server"), "nobody listens"),
            "target": "workers after (restart|SIGKILL of the master): wanted 3, got 2",
            "scale": "workers serving at once after raab scale 8: wanted 8",
            "scale-loop": "workers serving at once after raab scale 16: wanted 16",
            "workers-killed": WAITED,
            "signals": "not at 3 workers",
            "master": "restarts counted by systemd|systemd's MainPID|not reloaded",
        },
        (
            Patch(
                "src/handover/settings/configuration.py", "except (Exception, SystemExit) as error:", "except ZeroDivisionError as error:"
            ),
            Patch("src/handover/decision/succession.py", "    turn.refusal = why", "    turn.do(Do.LEAVE)"),
            Patch("src/handover/master.py", 'f"MAINPID={self.successor.pid}", "READY=1"', '"READY=1"'),
            Patch("src/handover/deeds.py", 'if lacking := ", ".join(fingerprint.lacking(prints)):', 'if lacking := "":'),
            Patch("src/handover/settings/target.py", "if not path:\n        return\n", "if True:\n        return\n"),
            Patch(
                "src/handover/decision/scaling.py",
                "turn.become(scalers=(*turn.state.scalers, (client, turn.fleet.target)))",
                'turn.do(Tell(client, {"before": turn.fleet.target, "after": wanted}))',
            ),
            Patch("src/handover/master.py", "self.handle(events.Scaled(1))", "self.handle(events.Scaled(0))"),
            Patch("src/handover/workers/template.py", "sleep(0.0005)\n    return True", "sleep(0.0005)\n    sleep(2)\n    return True"),
        ),
    ),
    Sabotage(
        "systemd neither keeps the socket nor restarts, dead workers and templates are not replaced, and the wall clock is believed",
        {
            # Before those after which nobody beats any more, so that systemd's watchdog ends the service a while later, for good.
            "template-killed": "not with another template",
            "restart": "requests lost: .*refused",
            "master-killed": "not up again",
            **dict.fromkeys(("worker-killed", "out-of-memory", "worker-stopped", "workers-hung"), "not two workers again"),
            "clock-back": "requests lost|not settled",
        },
        (
            Patch("systemd/raab.service", "FileDescriptorStoreMax=16", "FileDescriptorStoreMax=0"),
            Patch("systemd/raab.service", "Restart=always", "Restart=no"),
            Patch(
                "src/handover/decision/ordering.py",
                "Orders(max(0, fleet.target - len(here)), fleet.generation",
                "Orders(0, fleet.generation",
            ),
            Patch(
                "src/handover/decision/ordering.py",
                "if template is None else None, end",
                "if template is None and fleet.incoming else None, end",
            ),
            Patch(
                "src/handover/master.py",
                "        super().murder_workers()\n",
                "        super().murder_workers()\n        for pid in [*self.WORKERS] if time.time() < self.started - 60 else []:\n"
                "            self.kill_worker(pid, signal.SIGKILL)\n",
            ),
        ),
    ),
    Sabotage(
        "a release is not tried, a failed one stays current, a refusal is called a success, and the lock is not looked at",
        {
            **dict.fromkeys(("deploy-broken", "deploy-reverted"), "current after the broken deploy|not settled after the broken deploy"),
            "disk-full": "exit code of a deploy to a full disk: wanted 5, got 0",
            "two-deployers": "exit code of the second deployer: wanted 6",
        },
        (
            Patch("src/raab/host/activation/question.py", "        if why:\n", "        if False:\n"),
            Patch("src/raab/host/activation/held.py", '        if "good" in word:\n', "        if False:\n"),
            Patch("src/raab/host/activation/activation.py", "                self.go(self.before.release)\n", "                pass\n"),
            Patch("src/raab/deploy/report/outcome.py", '("refused", exitcodes.REFUSED)', '("refused", exitcodes.DONE)'),
            # Two may have it, each of whom is one who has it.
            Patch(
                "src/raab/host/session/lock.py",
                "fcntl.LOCK_EX | fcntl.LOCK_NB)\n    except BlockingIOError:\n        os.close(fd)\n",
                "fcntl.LOCK_SH | fcntl.LOCK_NB)\n    except BlockingIOError:\n        os.close(fd)\n",
            ),
        ),
    ),
    Sabotage(
        "workers beside the web are killed in their jobs and not replaced, and each host migrates",
        {
            "jobs": "jobs without an effect|jobs that are named, at most 0",
            "job-killed": "another worker beside the web took its place",
            "migration": "migrations of a deploy",
        },
        (
            Patch("src/raab/host/beside/unit.py", '"Restart=always"', '"Restart=no"'),
            Patch("src/raab/host/beside/unit.py", "KillSignal=SIG{process.signal}", "KillSignal=SIGKILL"),
            Patch("src/raab/deploy/migrating.py", "Timed, **self.asked(other))", "Timed, **self.asked(other), command=command.told)"),
        ),
    ),
    Sabotage(
        "the lock outlives its deployer, and the service is not started at boot",
        {
            **dict.fromkeys(("deployer-killed", "ssh-cut"), "wanted exit code 0, got 6"),
            **dict.fromkeys(("reboot", "power-loss"), "not settled"),
        },
        (
            Patch(
                "src/raab/host/session/lock.py",
                "    except BlockingIOError:\n        os.close(fd)\n",
                "        if os.fork() == 0:\n            os.closerange(0, 3)\n            time.sleep(90)\n            os._exit(0)\n"
                "    except BlockingIOError:\n        os.close(fd)\n",
            ),
        ),
        "systemctl disable raab",
    ),
    Sabotage(
        "what forks cannot share is shared, hanging templates are waited for, workers leave unasked, addresses and secrets stay",
        {
            "handlers": "releases that answer new connections",
            "streams": "not by their protocol|watchers: ",
            "addresses": "exit status of systemctl reload to .*: wanted 0",
            "secrets": "secrets that the workers find",
            **dict.fromkeys(("import-connection", "import-thread"), "how it is loaded: wanted each, by 0 templates, got shared"),
            "template-stopped": "fulfilled within 15 s: wanted True, got False|could not be carried through",
        },
        (
            Patch("src/handover/workers/sharing.py", "sorted(_descriptors() - seen.descriptors)", "()"),
            Patch("src/handover/workers/sharing.py", "return _threads_beside(seen)", 'return ""'),
            Patch("src/handover/outside/sockets.py", "socket.SO_REUSEPORT, yes)", "socket.SO_REUSEPORT, False)"),
            Patch("src/raab/host/renewal/credentials.py", "    part.replace(file)\n", "    part.unlink()\n"),
            Patch("src/handover/workers/board.py", "self._dismissed[slot] = 1", "pass"),
            Patch("src/handover/deeds.py", "            sig = LEAVE\n", ""),
            Patch("src/handover/decision/processes.py", "turn.reload.taken and not turn.fleet.leaving", "turn.reload.taken"),
            Patch("src/handover/crew.py", "elif hand.orders and now - hand.tmp.last_update() > _SILENCE:", "elif False:"),
        ),
    ),
)


@pytest.fixture
def runner(lab: LabForTests, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Drills on two hosts of the tests' lab."""
    lab.hosts(2)
    monkeypatch.setenv("RAAB_LAB", lab.lab.name)
    two = ",".join(host.name for host in lab.hosts(2))
    return Runner(ROOT, environments.load(ROOT, "lab").only(two), PACE, Progress(sys.stdout))


def test_every_drill_has_its_sabotage() -> None:
    assert {name for sabotage in SABOTAGES for name in sabotage.drills} == {drill.name for drill in DRILLS}


@pytest.mark.parametrize("patch", [patch for sabotage in SABOTAGES for patch in sabotage.patches], ids=lambda patch: patch.file)
def test_what_a_sabotage_breaks_is_there(patch: Patch) -> None:
    """Changed code asks for a changed sabotage; this says so without a host."""
    assert (ROOT / patch.file).read_text().count(patch.old) == 1


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_a_drill_fails_when_what_it_guards_is_broken(sabotage: Sabotage, runner: Runner, lab: LabForTests) -> None:
    for host in lab.hosts(2):
        lifecycle.fresh(lab.lab, host.name)
    wrong = []
    with runner.prepared(sabotage.apply, mend=False) as stage:
        for service in stage.services:
            service.run(sabotage.command)
        for drill in choose(",".join(sabotage.drills), False, True):
            verdict = runner.one(stage, drill).verdict
            if verdict.good or not any(re.search(sabotage.drills[drill.name], reason) for reason in verdict.reasons):
                wrong.append((drill.name, verdict.reasons))
    for host in lab.hosts(2):
        lifecycle.fresh(lab.lab, host.name)
    assert not wrong


@pytest.mark.timeout(600)
def test_fab_drill_quick_passes(lab: LabForTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CI runs: one verb, two hosts, every promise kept, a report that a browser shows; its picture is kept in build/drill.

    One host serves what was deployed to it and does so afterwards; the other has never had anything.
    """
    served = lab.fresh(1)
    lab.fresh(2)
    monkeypatch.setenv("RAAB_LAB", lab.lab.name)
    fab = str(Path(sys.executable).parent / "fab")
    subprocess.run((fab, "deploy", "--hosts", served.name), cwd=ROOT, check=True, capture_output=True, timeout=120)
    before = lab.shell(served).run(f"readlink {PATHS.current}; ls {PATHS.releases}").out
    document = drilled(lab, tmp_path / "quick.html", monkeypatch, "--quick", seconds=500)
    assert document["good"]
    assert lab.shell(served).run(f"readlink {PATHS.current}; ls {PATHS.releases}").out == before
    assert [result["name"] for result in document["results"]] == [drill.name for drill in choose("", True, True)]
    print(f"{document['seconds']:.0f} s")


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_fab_drill_passes(lab: LabForTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promise at full rate: a million requests through hundreds of operations, and none is lost."""
    document = drilled(lab, tmp_path / "report.html", monkeypatch, seconds=3500)
    assert [result["name"] for result in document["results"]] == [drill.name for drill in DRILLS]
    assert document["requests"] >= 1_000_000
    assert document["operations"] >= 540
    assert sum(result["verdict"]["lost"] for result in document["results"]) == 0


def drilled(lab: LabForTests, report: Path, monkeypatch: pytest.MonkeyPatch, *words: str, seconds: float) -> dict[str, Any]:
    """The document of a `fab drill` of two hosts that has to end well; its progress is this test's output."""
    monkeypatch.setenv("RAAB_LAB", lab.lab.name)
    two = ",".join(host.name for host in lab.hosts(2))
    fab = (str(Path(sys.executable).parent / "fab"), "drill", *words, "--json", "--report", str(report), "--hosts", two)
    done = subprocess.run(fab, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    print(done.stderr)
    assert done.returncode == 0, done.stderr[-5000:]
    document: dict[str, Any] = json.loads(done.stdout)
    keep(report)
    return document


def keep(report: Path) -> None:
    """The report and, where there is a browser, its picture as artefacts."""
    folder = ROOT / "build" / "drill"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(report, folder / report.name)
    chromium = shutil.which("chromium")
    if chromium:
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", f"--user-data-dir={report.parent / 'profile'}", "--window-size=1100,1400",
        )  # fmt: skip
        picture = folder / f"{report.stem}.png"
        shot = (chromium, *options, f"--screenshot={picture}", report.as_uri())
        subprocess.run(shot, check=True, capture_output=True, timeout=60)
        assert picture.stat().st_size > 20_000
