"""raab on a lab host as its operators meet it: releases, unit, signals, and the service's own word about itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone

import msgspec

from raab.drill.stage.standing import Status
from raab.drill.stage.variants import MAKE, STEADY, Content
from raab.drill.traffic.http import Address
from raab.errors import RaabError
from raab.host.paths import RAAB, Paths
from raab.lab.shell import Done, Shell

PORT = 8000
PATHS = Paths(RAAB)
SETTINGS = f"{PATHS.configuration}/setting.yaml"
TARGET = "/var/lib/raab/workers.json"


class Ended(msgspec.Struct, frozen=True):
    """A command that ended; `begun` is a moment of the monotonic clock, `seconds` how long it took."""

    status: int
    out: str
    err: str
    begun: float
    seconds: float


class Service:
    """One host's raab. `base` is a release that is complete on the host and that variants are made of."""

    def __init__(self, shell: Shell, base: str) -> None:
        self.shell = shell
        self.base = base
        self.address: Address = (shell.host.address, PORT)

    # Releases

    def variant(self, content: Content = STEADY) -> str:
        """Makes a release out of `base`, complete on the host and not current yet, and returns its id."""
        release = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:7]}"
        self.shell.run(f"python3 -IS -c '{MAKE}'", stdin=content.order(str(PATHS.releases), self.base, release).encode())
        return release

    def switch(self, release: str) -> None:
        """Makes the release the current one, by rename, and tells nobody."""
        self.shell.run(f"cd {PATHS.root} && ln -s releases/{release} .switch && mv -T .switch current")

    @property
    def current(self) -> str:
        return self.shell.run(f"basename $(readlink {PATHS.current})").out.strip()

    # What operators type

    def run(self, command: str, *, check: bool = True, timeout: float = 60) -> Ended:
        """A command on the host, with the time that it took."""
        begun = time.monotonic()
        done: Done = self.shell.run(command, check=check, timeout=timeout)
        return Ended(done.status, done.out, done.err, begun, time.monotonic() - begun)

    def systemctl(self, verb: str, *, check: bool = True, timeout: float = 120) -> Ended:
        """`systemctl <verb> raab`. Raises RaabError with the journal if it fails and `check` is set."""
        since = time.time()
        done = self.run(f"systemctl {verb} {PATHS.unit}", check=False, timeout=timeout)
        if check and done.status:
            raise RaabError(f"systemctl {verb}: failed, got status {done.status}\n{self.journal(since)}")
        return done

    def kill(self, name: str, pid: int = 0) -> None:
        """Sends a signal to a process, to the master if none is named."""
        self.shell.run(f"kill -s {name} {pid or self.main_pid()}")

    def settings(self, text: str) -> None:
        """Writes the host's own settings; an empty text takes them away. Tells nobody."""
        if text:
            self.shell.put(SETTINGS, text)
        else:
            self.shell.run(f"rm -f {SETTINGS}")

    # What can be seen

    def main_pid(self) -> int:
        """The master, as systemd knows it; 0 if there is none."""
        return int(self.show("MainPID"))

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.shell.run(f"systemctl show --property={name} --value {PATHS.unit}").out.strip()

    def status(self) -> Status:
        """The service's own word. Raises RaabError when nothing answers."""
        return msgspec.json.decode(self.shell.run("raab status --json").out, type=Status)

    def wait(self, what: str, reached: Callable[[Status], bool], seconds: float = 20) -> Status:
        """Asks for the status again and again until it is as wanted, and returns it. Raises RaabError after that many seconds."""
        end = time.monotonic() + seconds
        while True:
            try:
                status = self.status()
            except RaabError:
                status = None
            if status and reached(status):
                return status
            if time.monotonic() > end:
                raise RaabError(f"service: not {what} within {seconds} s, got {status}\n{self.journal(time.time() - seconds - 5)}")
            time.sleep(0.05)

    def calm(self, seconds: float = 60) -> None:
        """Waits until no connection waits to be accepted any more: what gathered while nobody served takes the workers a while.

        Raises RaabError after that many seconds.
        """
        # Of a listening socket, the receive queue is that of its connections (proc(5), /proc/net/tcp).
        waiting = f"awk '$4 == \"0A\" && $2 ~ /:{PORT:04X}$/ {{ print $5 }}' /proc/net/tcp"
        end = time.monotonic() + seconds
        while (left := max((int(line.partition(":")[2], 16) for line in self.run(waiting).out.split()), default=0)) > 1:
            if time.monotonic() > end:
                raise RaabError(f"service: {left} connections still wait to be accepted after {seconds} s")
            time.sleep(0.1)

    def reloaded(self, before: Status, seconds: float = 20) -> Status:
        """Waits until a generation of after `before` serves, and nothing more is under way."""
        return self.wait("reloaded", lambda now: now.settled and now.generation > before.generation, seconds)

    def journal(self, since: float) -> str:
        """What the service and systemd said of it since a moment (seconds since the epoch), without the access lines."""
        text = self.shell.run(f"journalctl --unit {PATHS.unit} --output=short-precise --no-pager --since=@{since:.3f}").out
        return "\n".join(line for line in text.splitlines() if '"raab.access"' not in line)

    # The same beginning for every test

    def restore(self, release: str, workers: int = 2) -> Status:
        """Has the release serve with as many workers and the bundle's settings, whatever was done to the host before."""
        foreign = self.run(f"rm {SETTINGS}", check=False).status == 0
        self.switch(release)
        if self.show("ActiveState") != "active":
            unit = PATHS.unit
            self.run(f"systemctl stop {unit}; systemctl reset-failed {unit}; rm -f {TARGET}; systemctl start {unit}", check=False)
        status = self.wait("up", lambda now: now.incoming is None)
        if foreign or status.release != release or not status.settled:
            self.systemctl("reload")
        if status.target != workers:
            self.run(f"raab scale {workers}")
        return self.wait("settled", lambda now: now.settled and now.release == release and now.target == workers)
