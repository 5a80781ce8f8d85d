"""Real hosts for tests: a lab named `test` (or as RAAB_LAB says), booted on demand, taken down at the end however the tests end."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raab.lab import lab as lifecycle
from raab.lab import needs
from raab.lab.shell import Shell
from raab.lab.state import Lab, LabHost, named


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
        for shell in self._shells.values():
            shell.close()
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
