"""Real hosts for tests: a lab named `test` (or as RAAB_LAB says), booted on demand, taken down at the end however the tests end."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.traffic.account import Account, merge
from raab.drill.traffic.http import Place
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Kind, Mix
from raab.lab import lab as lifecycle
from raab.lab import needs
from raab.lab.shell import Shell
from raab.lab.state import Lab, LabHost, named

ROOT = Path(__file__).resolve().parents[2]
MODEST = Mix(fresh=40, reused=40, bursts=1, burst_length=8)


class LabForTests:
    """The session's lab. `hosts(2)` boots what is missing; `shell(host)` is a root shell that stays connected."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._shells: dict[str, Shell] = {}

    def hosts(self, count: int) -> tuple[LabHost, ...]:
        return lifecycle.up(self.lab, count, lambda text: print(text, file=sys.stderr, flush=True))[:count]

    def shell(self, host: LabHost) -> Shell:
        return self._shells.setdefault(host.name, Shell(host))

    def fresh(self, number: int = 1) -> LabHost:
        """The host of that number, as bare as on its first day."""
        host = self.hosts(number)[number - 1]
        return lifecycle.fresh(self.lab, host.name)

    def close(self) -> None:
        """End all hosts. Who asks for some gets new ones."""
        for shell in self._shells.values():
            shell.close()
        self._shells.clear()
        lifecycle.down(self.lab)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def lab() -> Iterator[LabForTests]:
    """The lab, without a host at first. Without root or systemd-nspawn its tests are skipped with the reason; on CI they fail."""
    reason = needs.missing(sys.platform, os.geteuid(), shutil.which)
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(reason))
    ours = named(os.environ.get("RAAB_LAB", "test"))
    alone = _alone(ours)
    lifecycle.down(ours)
    tests = LabForTests(ours)
    try:
        yield tests
    finally:
        tests.close()
        os.close(alone)


def _alone(lab: Lab) -> int:
    """Locks the lab for this session: two sessions in one lab would take each other's hosts down."""
    file = Path(f"{lab.lock}.session")
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        pytest.fail(f"another test session uses lab {lab.name}; wait for its end, or name another lab with RAAB_LAB")
    return descriptor


@pytest.fixture
def host(lab: LabForTests) -> LabHost:
    """A running host, with whatever earlier tests left on it."""
    return lab.hosts(1)[0]


@pytest.fixture
def fresh_host(lab: LabForTests) -> LabHost:
    """A running host without a past."""
    return lab.fresh()


@pytest.fixture
def shell(lab: LabForTests, host: LabHost) -> Shell:
    """A root shell on `host`."""
    return lab.shell(host)


class Steady:
    """A deployed host and a release on it that serves as it should, whatever earlier tests did to the host."""

    def __init__(self, lab: LabForTests) -> None:
        self.lab = lab.lab
        self._lab = lab
        self._service: Service | None = None
        self._release = ""

    def service(self) -> Service:
        """The service with the steady release and two workers; deployed anew if the host has lost it."""
        host = self._lab.hosts(1)[0]
        shell = self._lab.shell(host)
        if self._service is None or not self._kept(shell, self._service.base):
            host = self._lab.fresh()
            self.fab("deploy", "--hosts", host.name)
            self._service = Service(shell, shell.run(f"basename $(readlink {PATHS.current})").out.strip())
        if not self._release or not self._kept(shell, self._release):
            self._release = self._service.variant()
        self._service.restore(self._release)
        return self._service

    def _kept(self, shell: Shell, release: str) -> bool:
        return shell.run(f"test -e {PATHS.manifest(release)}", check=False).status == 0

    def fab(self, *words: str) -> str:
        """Runs a verb from the working tree and returns what it printed."""
        command = [str(Path(sys.executable).parent / "fab"), *words]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "RAAB_LAB": self.lab.name}, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def steady(lab: LabForTests) -> Steady:
    """What `service` is made of."""
    return Steady(lab)


@pytest.fixture
def service(steady: Steady) -> Service:
    """raab on a host, deployed from the working tree, serving with two workers."""
    return steady.service()


class Traffic:
    """Sends traffic through what a test does, and insists that no request fails. The accounts are kept for the session's summary."""

    def __init__(self, service: Service, test: str, ledger: list[tuple[str, Account]]) -> None:
        self._service = service
        self._test = test
        self._ledger = ledger

    @contextmanager
    def __call__(self, mix: Mix = MODEST, *places: Place, settle: float = 0.5, lost: int = 0) -> Iterator[Load]:
        """Traffic to the service (or to the places) from `settle` seconds before the block until as long after it.

        `lost` is how many requests may be reset or cut where the test kills who serves them; refused ones never may.
        """
        since = time.time()
        with Load(places or [self._service.address], mix) as load:
            time.sleep(settle)
            yield load
            time.sleep(settle)
        account = load.account
        self._ledger.append((self._test, account))
        failed = sorted(f"{s.client.value} {s.kind.value}: {s.detail}" for s in account.failures)
        excused = sum(s.kind in (Kind.RESET, Kind.TRUNCATED) for s in account.failures)
        if len(failed) != min(excused, lost):
            pytest.fail("\n".join([account.line(), *failed[:20], self._service.journal(since)[-8000:]]))


class Table:
    """Lines of figures that the session's summary prints."""

    def __init__(self, config: pytest.Config) -> None:
        self._lines = config.stash.setdefault(LINES, [])

    def line(self, text: str) -> None:
        self._lines.append(text)


LEDGER = pytest.StashKey[list[tuple[str, Account]]]()
LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def traffic(service: Service, request: pytest.FixtureRequest) -> Traffic:
    """Traffic to `service`, every request accounted for."""
    return Traffic(service, request.node.name, request.config.stash.setdefault(LEDGER, []))


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Where a test puts its figures."""
    return Table(request.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was sent through every operation, and the sum of it: a line each."""
    ledger = config.stash.get(LEDGER, [])
    if ledger:
        terminalreporter.section("requests sent through operations")
        for test, account in ledger:
            terminalreporter.line(f"{account.total:>7,} sent {len(account.failures):>4,} failed {account.longest:>7.3f} s slowest  {test}")
        terminalreporter.line(f"all: {merge(account for _, account in ledger).line()}")
    for line in config.stash.get(LINES, []):
        terminalreporter.line(line)
