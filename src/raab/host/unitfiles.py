"""A release's unit files and those of the host: what differs, and making them the same. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from raab.host import systemd
from raab.host.durable import write_durably
from raab.host.paths import RAAB, Paths
from raab.host.releases import UNIT_PLACES, user_exists
from raab.host.sandbox import assignments


class UnitFile(NamedTuple):
    """One file of a release's systemd/ folder and the place where it belongs."""

    source: Path
    target: Path

    @property
    def differs(self) -> bool:
        try:
            return self.target.read_bytes() != self.source.read_bytes()
        except FileNotFoundError:
            return True


def of_release(paths: Paths, release: Path) -> tuple[UnitFile, ...]:
    """The files that are installed: units at the top of systemd/, sysusers.d and tmpfiles.d. Other folders are profiles to choose from."""
    found: list[UnitFile] = []
    for folder, place in UNIT_PLACES.items():
        sources = sorted((release / "systemd" / folder).glob("raab*"))
        found += [UnitFile(source, paths.etc / place / source.name) for source in sources if source.is_file()]
    return tuple(found)


def prepare(paths: Paths, release: Path) -> bool:
    """Make the service's user and directories where they are missing; tell whether anything was to be done."""
    needed = [file for file in of_release(paths, release) if file.target.parent.name in ("sysusers.d", "tmpfiles.d") and file.differs]
    if not needed and user_exists(paths):
        return False
    copy(tuple(needed))
    systemd.must("systemd-sysusers")
    for file in needed:
        if file.target.parent.name == "tmpfiles.d":
            systemd.must("systemd-tmpfiles", "--create", str(file.target))
    return True


def standing(paths: Paths) -> dict[str, str]:
    """What systemd says of the service's unit file."""
    return systemd.show(paths.unit, "NeedDaemonReload", "UnitFileState")


def install(paths: Paths, release: Path, before: dict[str, str]) -> bool:
    """Install the release's unit files; tell whether the service has to be restarted for them to apply. `before` is the file's standing."""
    changed = tuple(file for file in of_release(paths, release) if file.differs)
    restart = restart_needed(paths, release)
    copy(changed)
    if changed or before.get("NeedDaemonReload") == "yes":
        systemd.must("systemctl", "daemon-reload")
        # It is a part of the service's start; but that may run already, and goes on.
        systemd.must("systemctl", "start", f"{RAAB}-root@{paths.name}.socket")
    if before.get("UnitFileState") != "enabled":
        systemd.must("systemctl", "--quiet", "enable", paths.unit)
    return restart


def restart_needed(paths: Paths, release: Path) -> bool:
    """Whether the release's units differ from the host's in what only a new process takes up."""
    return any(needs_restart(paths, file) for file in of_release(paths, release) if file.differs)


def needs_restart(paths: Paths, file: UnitFile) -> bool:
    """A changed sandbox or environment reaches only processes that systemd starts. ExecReload= is read at each reload, and a running
    service is past its ExecStartPost=.
    """
    if file.target.name != paths.unit or not file.target.exists():
        return False
    return service_lines(file.source.read_text()) != service_lines(file.target.read_text())


def service_lines(text: str) -> list[str]:
    """The lines of [Service] that matter to a running process."""
    return [line for line in assignments(text.splitlines()) if not line.startswith(("ExecReload=", "ExecStartPost=", "Timeout"))]


def copy(files: tuple[UnitFile, ...]) -> None:
    for file in files:
        file.target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file.target, file.source.read_bytes())
        file.target.chmod(0o644)
