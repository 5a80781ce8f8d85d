"""The service's sandbox for another process: what its unit and the host's drop-ins say, as properties of a transient unit.

Pure but for reading those files.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from raab.host.paths import UNIT, Paths

# What makes a service's surroundings. What makes it this service (ExecStart=, Type=, Restart=, WatchdogSec= ...) stays out.
SURROUNDINGS = (
    "AmbientCapabilities", "CapabilityBoundingSet", "Environment", "EnvironmentFile", "Group", "Limit", "LoadCredential",
    "LockPersonality", "Memory", "NoNewPrivileges", "Private", "ProcSubset", "Protect", "ReadOnlyPaths", "ReadWritePaths", "RemoveIPC",
    "Restrict", "RuntimeDirectory", "SetCredential", "StateDirectory", "SupplementaryGroups", "SystemCall", "UMask", "User",
    "WorkingDirectory",
)  # fmt: skip

# Where systemd looks for drop-ins, beside the host's own configuration; the first place comes first.
PLACES = tuple(map(Path, ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")))


def service_lines(paths: Paths, release: Path) -> tuple[str, ...]:
    """The assignments in [Service] of the release's unit and of the host's drop-ins, in the order in which systemd reads them: by their
    names, and of one name the one of the first place (systemd.unit(5))."""
    drop_ins: dict[str, Path] = {}
    for place in reversed((paths.etc / "systemd/system", *PLACES)):
        for folder in ("service.d", f"{UNIT}.d"):
            drop_ins |= {file.name: file for file in (place / folder).glob("*.conf")}
    files = [release / "systemd" / UNIT, *(drop_ins[name] for name in sorted(drop_ins))]
    return tuple(line for file in files for line in assignments(file.read_text(encoding="utf-8").splitlines()))


def assignments(lines: Iterable[str]) -> list[str]:
    """Those of the section [Service], each on one line."""
    found: list[str] = []
    section = ""
    joined = "\n".join(lines).replace("\\\n", " ")
    for line in map(str.strip, joined.splitlines()):
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and line[0] not in "#;":
            found.append(line)
    return found


def properties(lines: Iterable[str]) -> tuple[str, ...]:
    """The options for systemd-run(1)."""
    return tuple(f"--property={line}" for line in surroundings(lines))


def surroundings(lines: Iterable[str]) -> list[str]:
    """The lines for another unit. The runtime directory is shared with the running service and must outlive the other process."""
    wanted = [line for line in lines if line.startswith(SURROUNDINGS) and not line.startswith("RuntimeDirectoryPreserve")]
    return [*wanted, "RuntimeDirectoryPreserve=yes"]


def environment(lines: Iterable[str]) -> dict[str, str]:
    """The variables that Environment= and EnvironmentFile= set, the later over the earlier."""
    words: list[str] = []
    for line in lines:
        key, _, value = line.partition("=")
        if key == "Environment":
            words += shlex.split(value)
        elif key == "EnvironmentFile":
            words += read_environment_file(value)
    return dict(word.split("=", 1) for word in words if "=" in word)


def read_environment_file(value: str) -> list[str]:
    """Its assignments; a file whose name is led by a dash may be missing."""
    try:
        text = Path(value.removeprefix("-")).read_text(encoding="utf-8")
    except FileNotFoundError:
        if value.startswith("-"):
            return []
        raise
    return [word for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;" for word in shlex.split(line)]
