"""The files by which a service is systemd's, its unit, its user and its folders: what differs, and making them the same. Standard library
only.

The unit is the release's, the same bytes for every service. What systemd-sysusers and systemd-tmpfiles read knows no specifier for the
service's name, so it is written here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from raab.host import systemd
from raab.host.durable import write_durably
from raab.host.paths import RAAB, UNIT_FILE, Paths
from raab.host.releases import user_exists
from raab.host.units.sandbox import assignments

SYSUSERS = """\
# The service's user (sysusers.d(5)): no password, no shell, no home.
u {name} - "{name} service" -
# The edge's, which may ask it.
g raab-edge -
"""
TMPFILES = """\
# Directories that outlive releases (tmpfiles.d(5)). Root's, so that the service can change neither code nor configuration.
d /opt/{name}          0755 root root
d /opt/{name}/releases 0755 root root
d /opt/{name}/cache    0755 root root
d /etc/{name}          0755 root root
d /etc/{name}/credentials 0700 root root
d /etc/{name}/credentials.encrypted 0700 root root
# The unit's StateDirectory, before the first start makes it: a hook that prepares a database comes earlier.
d /var/lib/{name}      0750 {name} {name}
# What the service makes there is of the edge's group, and so for it to reach.
d /run/raab-asked      0755 root root
d /run/raab-asked/{name} 2710 {name} raab-edge
"""


# What a running service has of a changed unit, or is past.
_TAKEN_UP = ("ExecReload=", "ExecStartPost=", "Timeout", "Environment=", "EnvironmentFile=", "PassEnvironment=", "UnsetEnvironment=")


class UnitFile(NamedTuple):
    """One of them: what it has to hold, and its place."""

    content: bytes
    target: Path

    @property
    def name(self) -> str:
        """By which it is told of: `raab.service`, `sysusers.d/raab.conf`."""
        return self.target.name if self.target.parent.name == "system" else f"{self.target.parent.name}/{self.target.name}"

    @property
    def differs(self) -> bool:
        try:
            return self.target.read_bytes() != self.content
        except FileNotFoundError:
            return True


def of_release(paths: Paths, release: Path) -> UnitFile:
    """The unit. Other files of its systemd/ folder are profiles to choose from."""
    return UnitFile((release / "systemd" / UNIT_FILE).read_bytes(), paths.units / paths.unit)


def lasting(paths: Paths) -> tuple[UnitFile, ...]:
    """Those that are of no release: user and folders."""
    return (
        UnitFile(SYSUSERS.format(name=paths.name).encode(), paths.etc / "sysusers.d" / f"{paths.name}.conf"),
        UnitFile(TMPFILES.format(name=paths.name).encode(), paths.etc / "tmpfiles.d" / f"{paths.name}.conf"),
    )


def prepared(paths: Paths) -> bool:
    """Whether the service's user and folders are there."""
    return user_exists(paths) and not any(file.differs for file in lasting(paths))


def prepare(paths: Paths) -> bool:
    """Make the service's user and folders where they are missing; tell whether anything was to be done."""
    if prepared(paths):
        return False
    copy(tuple(file for file in lasting(paths) if file.differs))
    systemd.must("systemd-sysusers")
    for file in lasting(paths):
        if file.target.parent.name == "tmpfiles.d":
            systemd.must("systemd-tmpfiles", "--create", str(file.target))
    return True


def standing(paths: Paths, *more: str) -> dict[str, str]:
    """What systemd says of the service's unit file, and what more is asked of it."""
    return systemd.show(paths.unit, "NeedDaemonReload", "UnitFileState", *more)


def install(paths: Paths, release: Path, before: dict[str, str]) -> bool:
    """Install the release's unit; tell whether the service has to be restarted for it to apply. `before` is the file's standing."""
    file = of_release(paths, release)
    restart = needs_restart(paths, file)
    changed = file.differs
    if changed:
        copy((file,))
    if changed or before.get("NeedDaemonReload") == "yes":
        systemd.must("systemctl", "daemon-reload")
        # It is a part of the service's start; but that may run already, and goes on.
        systemd.must("systemctl", "start", f"{RAAB}-root@{paths.name}.socket")
    if before.get("UnitFileState") != "enabled":
        systemd.must("systemctl", "--quiet", "enable", paths.unit)
    return restart


def restart_needed(paths: Paths, release: Path) -> bool:
    """Whether the release's unit differs from the host's in what only a new process takes up."""
    return needs_restart(paths, of_release(paths, release))


def needs_restart(paths: Paths, file: UnitFile) -> bool:
    """A changed sandbox reaches only processes that systemd starts. ExecReload= is read at each reload, a running service is past its
    ExecStartPost=, and variables a new master takes up, which the running one starts.
    """
    if not file.target.exists():
        return False
    return service_lines(paths, file.content.decode()) != service_lines(paths, file.target.read_text())


def service_lines(paths: Paths, text: str) -> list[str]:
    """The lines of [Service] that matter to a running process. Units of before services had names have raab's where others have %p."""
    lines = assignments(text.splitlines())
    return [line.replace("%p", paths.name) for line in lines if not line.startswith(_TAKEN_UP)]


def copy(files: tuple[UnitFile, ...]) -> None:
    for file in files:
        file.target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file.target, file.content)
        file.target.chmod(0o644)
