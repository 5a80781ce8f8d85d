"""raab as it stood before any project could use it (commit 466bddb, of which the tree is kept here but for its drills and tests), and this
one, take over from each other on one host, whichever of them deploys."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from test.lab.deploy.conftest import CARD, Project

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

ARCHIVE = Path(__file__).with_name("before") / "raab.tar.xz"
MIX = Mix(fresh=20, reused=20)


class Before(Project):
    """The old tree, whose deployer reaches the host as any other machine does: it knows nothing of this lab."""

    def mark(self, text: str) -> None:
        card = self.root / CARD
        with tarfile.open(ARCHIVE) as archive:
            kept = archive.extractfile(CARD)
            assert kept
            card.write_text(kept.read().decode().replace('"service":', f'"mark": "{text}", "service":'))


@pytest.fixture
def before(tmp_path: Path, fresh_host: LabHost, made_once: Path) -> Before:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "build" / "raab").mkdir(parents=True)
    (tmp_path / "build" / "raab" / "wheels").symlink_to(made_once)
    login = f"user: root\nidentity: {fresh_host.key}\nknown_hosts: {fresh_host.known_hosts}\nssh_config: none\n"
    told = f"hosts: {{{fresh_host.name}: {{address: {fresh_host.address}}}}}\n{login}waves: [100%]\n"
    (tmp_path / "deploy/here.yaml").write_text(told)
    return Before(tmp_path, "none")


class Both:
    """A host, and who deploys the service `raab` to it."""

    def __init__(self, host: LabHost, shell: Shell, before: Before, now: Project) -> None:
        self.host, self.shell, self.before, self.now = host, shell, before, now

    @contextmanager
    def traffic(self, *ports: int) -> Iterator[None]:
        """Of which no request fails."""
        with ExitStack() as stack:
            loads = [stack.enter_context(Load([(self.host.address, port)], MIX)) for port in (8000, *ports)]
            yield
        for load in loads:
            assert load.account.total > 40 and not load.account.failures, load.account.line()

    def by(self, who: Project, *words: str) -> None:
        env = ("--env", "here") if who is self.before else ("--hosts", self.host.name)
        who.fab(*words, *env)

    def operate(self) -> None:
        """What an operator does, by the host's one `raab`."""
        self.shell.run("raab status && raab check && raab scale +1 && raab scale -1 && systemctl reload raab && raab metrics >/dev/null")


@pytest.fixture
def both(lab: Any, fresh_host: LabHost, before: Before, project: Project) -> Both:
    return Both(fresh_host, lab.shell(fresh_host), before, project)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_this_raab_takes_over_from_the_one_before_and_goes_back_to_its_release(both: Both, ask: Any) -> None:
    both.before.mark("old")
    both.by(both.before, "deploy")
    assert ask(both.host)["mark"] == "old"
    both.now.mark("new")
    with both.traffic():
        both.by(both.now, "deploy")
        assert ask(both.host)["mark"] == "new"
        both.operate()
    with both.traffic():
        both.by(both.now, "rollback")
        assert ask(both.host)["mark"] == "old"
        # Root's program is this raab's, the master the old one's.
        both.operate()
    with both.traffic():
        both.by(both.now, "deploy")
    assert ask(both.host)["mark"] == "new"
    both.by(both.now, "doctor")


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_the_raab_before_takes_over_from_this_one(both: Both, ask: Any) -> None:
    """A colleague who has not upgraded deploys, and goes back to this raab's release; a service beside it is not felt to be touched."""
    both.now.environment("beside", "hosts: lab\nname: beside\nservice_port: 8001\nwaves: [100%]\n")
    both.shell.put("/etc/beside/setting.yaml", 'production: {server: {bind: "0.0.0.0:8001", workers: 2}}\n')
    both.now.mark("new")
    both.by(both.now, "deploy")
    both.now.fab("deploy", "--env", "beside", "--hosts", both.host.name)
    both.before.mark("old")
    with both.traffic(8001):
        both.by(both.before, "deploy")
        assert ask(both.host)["mark"] == "old"
        both.shell.run("systemctl reload raab")
        both.by(both.before, "rollback")
        assert ask(both.host)["mark"] == "new"
    both.before.mark("older still")
    both.now.mark("newer")
    with both.traffic(8001):
        both.by(both.before, "deploy")
        both.by(both.now, "deploy")
        assert ask(both.host)["mark"] == "newer"
        both.operate()
        both.shell.run("systemctl reload beside && raab -s beside scale +1")
