"""The service's sandbox for another process: what its unit and the host's drop-ins say, as lines of another unit.

Pure but for reading those files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from raab.host.paths import UNIT_FILE, Paths

# What makes it this service, and says nothing of its processes' surroundings: how it is started, watched, ended and logged.
_THE_SERVICE_S = re.compile(
    r"(Exec(Condition|Start|StartPre|StartPost|Reload|Stop|StopPost)|Type|ExitType|Restart\w*|RemainAfterExit|Watchdog\w*|Notify\w*"
    r"|Kill\w*|SendSIG\w*|FinalKillSignal|Reload\w*|Timeout\w*|RuntimeMaxSec|RuntimeRandomizedExtraSec|RuntimeDirectoryPreserve|OOMPolicy"
    r"|Success\w*|FileDescriptorStore\w*|Standard\w+|TTY\w+|Syslog\w+|Log(ExtraFields|FilterPatterns|LevelMax|Namespace|RateLimit\w+)"
    r"|GuessMainPID|PIDFile|BusName|Sockets|NonBlocking|OpenFile|Delegate\w*|USBFunction\w+)="
)

# Where units and drop-ins lie beside /etc (systemd.unit(5)); transient and generated ones are nobody's for such a service.
PLACES = tuple(map(Path, ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")))


def of_release(paths: Paths, release: Path) -> str:
    """The lines by which another unit has the surroundings that the service would have with this release, of which systemd need not know
    yet."""
    return "".join(f"{line}\n" for line in resolved(paths, surroundings(service_lines(paths, release))))


def service_lines(paths: Paths, release: Path) -> tuple[str, ...]:
    """The assignments in [Service] of the release's unit and of the host's drop-ins, in the order in which systemd reads them."""
    files = [release / "systemd" / UNIT_FILE, *drop_ins(paths.unit, (paths.units, *PLACES))]
    return tuple(line for file in files for line in assignments(file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()))


def drop_ins(unit: str, places: Iterable[Path]) -> list[Path]:
    """By their names, of which each counts once: where the unit's own folder has it before those of all whose names begin alike, up to a
    dash, and that of all services, and the first of the places before the others (systemd.unit(5))."""
    words = unit.removesuffix(".service").split("-")
    shorter = ("".join(f"{word}-" for word in words[:count]) for count in range(len(words) - 1, 0, -1))
    names = (f"{unit}.d", *(f"{name}.service.d" for name in shorter), "service.d")
    folders = [place / name for name in names for place in places]
    found: dict[str, Path] = {}
    for folder in folders:
        for file in folder.glob("*.conf"):
            found.setdefault(file.name, file)
    return [found[name] for name in sorted(found)]


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


def surroundings(lines: Iterable[str]) -> list[str]:
    """The lines for another unit. The runtime directory is shared with the running service and must outlive the other process."""
    return [*(line for line in lines if not _THE_SERVICE_S.match(line)), "RuntimeDirectoryPreserve=yes"]


def resolved(paths: Paths, found: Iterable[str]) -> list[str]:
    """Lines of the service's unit for another one, whose name is another. The content of a credential systemd takes as it stands."""
    name, path, last = paths.name, paths.name.replace("-", "/"), paths.name.rpartition("-")[2]
    own = {"%n": paths.unit, "%N": name, "%p": name, "%P": path, "%j": last, "%J": last, "%f": f"/{path}"}

    def of_service(line: str) -> str:
        head, colon, content = line.partition(":") if line.startswith("SetCredential") else (line, "", "")
        return re.sub(r"%[%nNpPjJf]", lambda match: own.get(match[0], match[0]), head) + colon + content

    return [of_service(line) for line in found]


def quoted(text: str) -> str:
    """One word of a unit file (systemd.syntax(7)): neither escapes nor specifiers of its own are left in it."""
    plain = {"\\": "\\\\", '"': '\\"', "%": "%%"}
    return (
        '"'
        + "".join(plain.get(c, c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode(errors="surrogateescape"))) for c in text)
        + '"'
    )
