"""Where measurements of deploys are collected, and what a host's sshd and the wire say of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from figures import Series

from raab.drill.stage.proxy import Proxy
from raab.drill.traffic.http import Address
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

MIX = Mix(fresh=20, reused=20, connections=4)
UNITS = {"seconds": "s", "slowest ms": "ms", "bytes": "bytes", "channels": "channels"}
# At this level sshd writes a line for each session channel that is opened, by whichever tool.
VERBOSE = "/etc/ssh/sshd_config.d/bench.conf"
SESSIONS = "journalctl --sync; journalctl --unit=ssh --output=cat --no-pager | grep -c '^Starting session:'"


@dataclass
class Book:
    """Every measured value by its name, which ends with what it is."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.note(f"{name}, seconds", time.monotonic() - begun)

    @contextmanager
    def under_load(self, name: str, address: Address) -> Iterator[None]:
        with Load([address], MIX) as load:
            time.sleep(1)
            yield
            # A tool may return before the service answers again.
            time.sleep(2)
        self.note(f"{name}, requests", load.account.total)
        self.note(f"{name}, lost", len(load.account.failures))
        self.note(f"{name}, slowest ms", load.account.longest * 1000)

    @contextmanager
    def counted(self, name: str, host: LabHost, proxy: Proxy) -> Iterator[None]:
        """SSH session channels as the host's sshd counts them, and the bytes that go to it, SSH's own among them, through the proxy."""
        with Shell(host) as shell:
            shell.put(VERBOSE, "LogLevel VERBOSE\n")
            shell.run("systemctl reload ssh; sleep 0.5")
        # The shell's own question is a session, too; a connection keeps the level that it began with, so it needs a new one.
        with Shell(host) as shell:
            sessions, passed = int(shell.run(SESSIONS).out), proxy.passed
            yield
            self.note(f"{name}, channels", int(shell.run(SESSIONS).out) - sessions - 1)
            self.note(f"{name}, bytes", proxy.passed - passed)

    def series(self) -> dict[str, Series]:
        return {name: Series(UNITS.get(name.rpartition(", ")[2], "requests"), tuple(values)) for name, values in self.values.items()}
