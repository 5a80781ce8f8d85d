"""What a host is and has: read in one go, nothing changed. Standard library only: it runs on hosts that have no raab yet."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raab.host import journal, processes, seal
from raab.host.address import listening
from raab.host.edge import caddy, fronts, maintenance
from raab.host.paths import RELEASE_ID, Paths
from raab.host.releases import current_release, describe, shipped, uid_of_user
from raab.host.session import lock
from raab.host.units import claim, secrets, unitfiles
from raab.host.verify import RAABS_OWN
from raab.protocol.facts import HostFacts

PROPERTIES = "ActiveState,SubState,MainPID,NeedDaemonReload,UnitFileState,TriggeredBy"


def gather(paths: Paths, closely: bool = False, release: str = "", program: str = "") -> HostFacts:
    """`closely`: with who listens (listening.py), with the packaged settings of a release, and the version of a Caddy."""
    # Answered while the rest is read.
    asked = start(("systemctl", "show", "--no-pager", f"--property={PROPERTIES}", paths.unit, paths.activation_unit))
    entries = journal.read(paths.journal)
    storage = nearest_existing(paths.root)
    disk = os.statvfs(storage)
    found = {
        **lasting(),
        "time": time.time(),
        "disk_free": disk.f_bavail * disk.f_frsize,
        "disk_total": disk.f_blocks * disk.f_frsize,
        # Some file systems count none, as btrfs.
        "inodes_free": disk.f_favail if disk.f_files else None,
        "releases": tuple(describe(path) for path in sorted(paths.releases.glob("*")) if RELEASE_ID.match(path.name)),
        "current": current_release(paths),
        "cache": frozenset(path.name for home in (paths.cache, paths.brought) for path in home.glob("*") if len(path.name) == 64),
        "templates": frozenset(path.parent.name for path in paths.templates.glob("*/seal.json") if not path.parent.name.endswith(".part")),
        "units": unit_hashes(paths),
        "chosen": paths.chosen.is_file(),
        "damaged": damaged(paths.current.resolve()) if current_release(paths) else (),
        "user": uid_of_user(paths) is not None,
        "foreign": claim.foreign(paths),
        "secrets": frozenset(secrets.names(paths)),
        "settings": settings(paths),
        "packaged": shipped(texts(paths.release(release))) if release else "",
        "taken": listening.taken(paths.unit, uid_of_user(paths) or 0, closely),
        "verdicts": journal.verdicts(entries),
        "served": journal.chain(entries),
        "once": journal.once(entries),
        "drilled": journal.drilled(entries),
        "labels": journal.labels(entries),
        "migrated": list(journal.migrations(entries)),
        "lock": lock.holder(paths.lock),
        "front": fronts.standing(paths),
        "program": caddy.version(program) if program else "",
        "maintenance": maintenance.there(paths),
    }
    service, _, activation = answer(asked).partition("\n\n")
    activating = properties(activation).get("ActiveState") in ("active", "activating") and not has_verdict(paths)
    told = properties(service)
    return HostFacts(**found, service=told, activating=activating, variables=variables(told))


@functools.cache
def lasting() -> dict[str, Any]:
    """What does not change while a session lasts, which asks for its facts twice."""
    version = start(("systemctl", "--version"))
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": os.path.realpath(sys.executable),
        "libc": " ".join(platform.libc_ver()).strip(),
        "machine": platform.machine(),
        "system": system_name(),
        "uid": os.geteuid(),
        "itself": itself(),
        "systemd": first_number(answer(version)),
    }


def itself() -> str:
    """What two names have in common when they lead to one machine, and two machines never, be they clones or containers of one kernel."""
    root = Path("/").stat()
    told = (Path(file) for file in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"))
    return " ".join((*(file.read_text().strip() if file.is_file() else "-" for file in told), str(root.st_dev), str(root.st_ino)))


@functools.cache
def damaged(release: Path) -> tuple[str, ...]:
    """What is not as it was installed, as far as people want to read it. Looked for once in a session: it takes a look at each file."""
    return tuple(seal.damage(release, RAABS_OWN)[:20])


def start(command: tuple[str, ...]) -> subprocess.Popen[str] | None:
    """Begin a command; a host without systemctl has no answer, which is an answer."""
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None


def answer(process: subprocess.Popen[str] | None) -> str:
    if process is None:
        return ""
    try:
        return process.communicate(timeout=10)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return ""


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def first_number(text: str) -> int:
    """The 252 of `systemd 252 (252.39-1~deb12u1)`; 0 where there is none."""
    words = text.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def texts(release: Path) -> dict[str, str]:
    """A release's lock and settings, raab's and the project's own, by the names of their files; none where there is no such release."""
    files = {file.name: file for file in release.glob("venv/lib/python3*/site-packages/raab/config/*.yaml")}
    files |= {f"deploy/{file.name}": file for file in release.glob("deploy/*.yaml")}
    files["requirements.lock"] = release / "requirements.lock"
    return {name: file.read_text(encoding="utf-8", errors="replace") for name, file in files.items() if file.is_file()}


def has_verdict(paths: Paths) -> bool:
    """An activation that has given its verdict is only pruning; nobody needs to wait for that."""
    try:
        return bool(json.loads(paths.events.read_bytes().splitlines()[-1])["event"] == "verdict")
    except (OSError, ValueError, LookupError):
        return False


def unit_hashes(paths: Paths) -> dict[str, str]:
    """SHA-256 of the service's installed files by which it is systemd's, by their names."""
    files = (unitfiles.UnitFile(b"", paths.units / paths.unit), *unitfiles.lasting(paths))
    return {file.name: hashlib.sha256(file.target.read_bytes()).hexdigest() for file in files if file.target.is_file()}


def settings(paths: Paths) -> str:
    """The host's own, which hold no secrets; those that cannot be read are the trial's to tell."""
    try:
        return (paths.configuration / "setting.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def variables(service: Mapping[str, str]) -> dict[str, str]:
    """Those by which the running service was told its addresses."""
    told = processes.environment(int(service.get("MainPID") or 0))
    return {name: value for name, value in told.items() if name == "RAAB_ENVIRONMENT" or name.startswith("RAAB_SERVER__")}


def system_name() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.system()
    return properties("\n".join(lines)).get("PRETTY_NAME", platform.system()).strip('"')


def nearest_existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
