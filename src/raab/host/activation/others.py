"""Somebody else who stops or restarts the service in the middle of an activation: needrestart, a colleague. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from raab.errors import RaabError
from raab.host import systemd
from raab.host.activation.task import Teller
from raab.host.paths import Paths

_STEP = 0.05
# The properties by which systemd tells of a unit's run.
TOLD = ("ActiveState", "Job", "InvocationID", "MainPID")
# How often a restart by somebody else is waited for. One who goes on with it has to be told to stop.
DISTURBANCES = 3


class Running(NamedTuple):
    """A run of the service by systemd's word alone, whoever says what at the control socket: the number that each start gets anew, and its
    main process, in whose place a reload may put another. `settled`: it runs, and systemd is about to do nothing with it."""

    invocation: str
    main: str
    settled: bool

    def became(self, now: Running) -> bool:
        """Whether somebody has made it another run by now, or is about to."""
        return not (self.settled and now == self)


class Stopped(RaabError):
    """The service was stopped by somebody else; nobody has asked that it be started again."""

    def __init__(self) -> None:
        super().__init__(
            "service: somebody else has stopped it in the middle of the activation", "it stays stopped: `fab deploy` starts it again"
        )


def of(told: Mapping[str, str]) -> Running:
    """What systemd tells by the names in TOLD, as a value."""
    settled = told.get("ActiveState") in ("active", "reloading") and not told.get("Job")
    return Running(told.get("InvocationID", ""), told.get("MainPID", ""), settled)


def running(unit: str) -> Running:
    return of(systemd.show(unit, *TOLD))


class Others:
    """Those whom one activation meets; `running` is the service as it is when that begins."""

    def __init__(self, paths: Paths, teller: Teller, running: Running) -> None:
        self.paths = paths
        self.teller = teller
        self.running = running
        self.disturbances = 0

    def look(self) -> None:
        """Who restarts it from now on is somebody else."""
        self.running = running(self.paths.unit)

    def disturbed(self) -> bool:
        """Whether somebody else has restarted the service since then."""
        return self.running.became(running(self.paths.unit))

    def wait(self, seconds: float) -> None:
        """For whoever stops or restarts the service. Raises Stopped, and RaabError where it is restarted again and again."""
        self.disturbances += 1
        if self.disturbances > DISTURBANCES:
            raise RaabError("service: somebody else restarts it again and again", f"`journalctl -u {self.paths.name}` says when, not who")
        self.teller.step("somebody else restarts the service: waiting for that")
        wait(self.paths.unit, seconds)


def wait(unit: str, seconds: float) -> None:
    """Until systemd has done what it was asked to do with the service, for so long. Raises Stopped where it does not run then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = systemd.show(unit, "ActiveState", "Job")
        # A reload is the master's affair, which takes one wish after the other.
        if told.get("ActiveState") == "reloading" or (told.get("ActiveState") == "active" and not told.get("Job")):
            return
        if stopped(told):
            raise Stopped
        time.sleep(_STEP)


def require_running(unit: str, seconds: float) -> None:
    """Raises Stopped if the service is not to run: stopped, or about to be; a stop is waited for, for so long. One that fails to start, or
    is started again and again, is not stopped."""
    end = time.monotonic() + seconds
    while True:
        told = systemd.show(unit, "ActiveState", "Job")
        if stopped(told):
            raise Stopped
        if told.get("ActiveState") != "deactivating" or time.monotonic() > end:
            return
        time.sleep(_STEP)


def stopped(told: dict[str, str]) -> bool:
    """With Restart=always nothing but an order makes a unit inactive; what could not start is failed (systemd.service(5))."""
    return told.get("ActiveState") == "inactive" and not told.get("Job")
