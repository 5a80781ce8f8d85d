"""The unit files of processes and timers, as text, each of one release. Pure but for reading that release and the host's drop-ins."""

from __future__ import annotations

import json
import re
from pathlib import Path

from raab.errors import RaabError
from raab.host.beside import given
from raab.host.paths import RELEASE_ID, Paths
from raab.host.units import launching, sandbox, surroundings
from raab.protocol import processes
from raab.protocol.processes import NAME, Process, Table, Timer

# By which a file is raab's, and of a release.
_MARK = re.compile(r"\A# Written by raab: (?P<name>\S+) of the release (?P<release>\S+)\.$", re.MULTILINE)
_INSTANCE = re.compile(r"(?P<process>[a-z0-9-]+)-(?P<number>[1-9][0-9]{0,3})", re.ASCII)
# Seconds for a process to say that it is ready, where it says so.
READY_SECONDS = 90


def table(release: Path) -> Table:
    """What a release has beside its web, by its manifest, which nobody but root can have written."""
    return processes.table(json.loads((release / "manifest.json").read_bytes()))


def instance(name: str) -> tuple[str, int] | None:
    """The process and the number of `worker-1`; None for what is none."""
    found = _INSTANCE.fullmatch(name)
    return (found["process"], int(found["number"])) if found and NAME.match(found["process"]) else None


def release_of(text: str) -> str:
    """The release of a unit file; empty for one that is not raab's."""
    found = _MARK.match(text)
    return found["release"] if found and RELEASE_ID.match(found["release"]) else ""


class Texts:
    """The unit files of one release, in the surroundings that the service has on this host."""

    def __init__(self, paths: Paths, release: Path) -> None:
        self.paths = paths
        self.release = release
        self.surroundings = tuple(surroundings.of_command(paths, release, surroundings.code(release)).splitlines())
        self.given = given.mark(self.surroundings)

    def process(self, process: Process, number: int) -> str:
        """Of an instance."""
        name = f"{process.name}-{number}"
        notify = process.ready == "notify"
        return self._text(
            name,
            [
                f"Description={process.name} {number} of {self.paths.name}",
                f"After=network.target {self.paths.unit}",
                "StartLimitIntervalSec=600",
                "StartLimitBurst=20",
            ],
            [
                *self._command(process.command, process.allow),
                *(("Type=notify", "NotifyAccess=all", f"TimeoutStartSec={READY_SECONDS}") if notify else ("Type=exec",)),
                "Restart=always",
                "RestartSec=1s",
                f"KillSignal=SIG{process.signal}",
                # The signal is for the process alone, which knows what to do with those that it has started.
                "KillMode=mixed",
                f"TimeoutStopSec={process.seconds * 1000:.0f}ms",
                "OOMPolicy=continue",
                f"SyslogIdentifier={self.paths.name}-{name}",
            ],
            "multi-user.target",
        )

    def run(self, timer: Timer) -> str:
        """Of what a timer starts."""
        limit = f"{timer.seconds * 1000:.0f}ms" if timer.seconds else "infinity"
        return self._text(
            timer.name,
            [f"Description={timer.name} of {self.paths.name}", f"After=network.target {self.paths.unit}"],
            [
                *self._command(timer.command, timer.allow),
                "Type=oneshot",
                f"TimeoutStartSec={limit}",
                f"SyslogIdentifier={self.paths.name}-{timer.name}",
            ],
        )

    def timer(self, timer: Timer) -> str:
        """Of the timer itself."""
        schedule = [f"OnCalendar={timer.schedule}", f"Persistent={'yes' if timer.persistent else 'no'}", "AccuracySec=1s"]
        head = f"# Written by raab: {timer.name} of the release {self.release.name}."
        about = ["[Unit]", f"Description=when {timer.name} of {self.paths.name} runs"]
        return "\n".join([head, *about, "", "[Timer]", *schedule, "", "[Install]", "WantedBy=timers.target", ""])

    def _command(self, command: str, allow: tuple[str, ...]) -> list[str]:
        """The service's surroundings, and the command in the place of its program."""
        return [
            *self.surroundings,
            *(line for name in allow for line in sandbox.assignments(self._allowed(name).splitlines())),
            # Whatever the shell would be for a signal, the program is.
            f"ExecStart=:{launching.prefix(self.release)}/bin/sh -c {sandbox.quoted(f'exec {command}')}",
        ]

    def _allowed(self, name: str) -> str:
        try:
            return (self.release / "systemd" / "allow" / f"{name}.conf").read_text(encoding="utf-8")
        except FileNotFoundError as error:
            problem = f"allow: the release has no such addition, got {name}"
            raise RaabError(problem, f"add allow/{name}.conf to the folder that `units` names") from error

    def _text(self, name: str, unit: list[str], service: list[str], wanted_by: str = "") -> str:
        head = f"# Written by raab: {name} of the release {self.release.name}."
        install = ["", "[Install]", f"WantedBy={wanted_by}"] if wanted_by else []
        files = f"# What it is given by files: {self.given}."
        return "\n".join([head, files, "[Unit]", *unit, "", "[Service]", *service, *install, ""])
