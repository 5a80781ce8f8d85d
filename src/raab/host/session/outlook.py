"""What will hurt next on this host, as far as it can be seen before it does. Standard library only."""

from __future__ import annotations

import os
import shutil
from itertools import accumulate
from pathlib import Path

from raab.host import seal, systemd
from raab.host.beside import there
from raab.host.paths import RAAB, Paths
from raab.host.session.facts import nearest_existing
from raab.host.verify import RAABS_OWN
from raab.protocol.service import Examined, Interpreter, Place

UNIT_KINDS = (".service", ".socket", ".timer", ".path", ".target")
# So many lines are told of each release where there may be thousands.
TOLD = 3


def look(paths: Paths, release: Path | None, found: Examined) -> Examined:
    """What was found, and this. `release` is the current one."""
    return found._replace(
        places=places(paths),
        drained=paths.drained.is_file(),
        left=tuple(left(paths, release)) if release else (),
        interpreter=interpreter(release) if release else None,
        kept=tuple(kept(paths, release)),
    )


def places(paths: Paths) -> tuple[Place, ...]:
    """The file systems that a deploy or the service writes to, each once, by the first of its folders."""
    found: dict[tuple[int, int], Place] = {}
    for wanted in (paths.root, paths.units, Path("/var/lib") / paths.name, paths.run, Path("/var/log"), Path("/tmp")):
        folder = nearest_existing(wanted)
        disk = os.statvfs(folder)
        told = Place(
            path=str(folder),
            writable=not disk.f_flag & os.ST_RDONLY,
            free=disk.f_bavail * disk.f_frsize,
            total=disk.f_blocks * disk.f_frsize,
            inodes_free=disk.f_favail,
            inodes=disk.f_files,
        )
        # A file system may be mounted twice, once to be read alone.
        found.setdefault((folder.stat().st_dev, disk.f_flag & os.ST_RDONLY), told)
    return tuple(found.values())


def left(paths: Paths, release: Path) -> list[str]:
    """Unit files of the service's name that its release has nowhere, not even among the profiles to choose from: an older one left them, or
    somebody made them. What is another service's is none of it."""
    ours = {paths.beside(name) for name in there.files(paths)} | {paths.timer(name) for name in there.files(paths, "timer")}
    known = {paths.unit, *ours, *(path.name for path in (release / "systemd").rglob("*"))}
    found = [path.name for path in paths.units.glob(f"{paths.name}[.@-]*") if path.is_file() and path.suffix in UNIT_KINDS]
    return sorted(name for name in found if name not in known and not others(paths, name))


def others(paths: Paths, unit: str) -> bool:
    """Whether a unit is another service's, or one that all have in common: of the edge, of root's part of a reload."""
    stem = unit.rpartition(".")[0].partition("@")[0]
    names = (name for name in accumulate(stem.split("-"), "{}-{}".format) if len(name) > len(paths.name))
    return stem in (f"{RAAB}-edge", f"{RAAB}-root") or any((paths.opt / name).is_dir() for name in names)


def interpreter(release: Path) -> Interpreter:
    path = os.path.realpath(release / "venv/bin/python")
    there = os.access(path, os.X_OK)
    told = Interpreter(path, there)
    if not there or not (shutil.which("dpkg-query") and shutil.which("apt-get")):
        return told
    package = systemd.order("dpkg-query", "--search", path).stdout.partition(":")[0].strip()
    if not package or " " in package:
        return told
    plan = systemd.order("env", "LC_ALL=C", "apt-get", "--simulate", "--quiet=2", "autoremove").stdout
    removed = [line.split()[1] for line in plan.splitlines() if line.startswith("Remv ")]
    return told._replace(package=package, leaving=package in removed)


def kept(paths: Paths, current: Path | None) -> list[str]:
    """What is not as it was installed in the releases that a rollback may go to, and in the environments that the next ones are made of."""
    lines = []
    for folder in sorted((*paths.releases.glob("*"), *paths.templates.glob("*"))):
        whole = (folder / "manifest.json").is_file() or ((folder / seal.SEAL).is_file() and folder.suffix != ".part")
        if folder == current or not whole:
            continue
        lines += [f"{folder.name}: {line}" for line in seal.damage(folder, RAABS_OWN)[:TOLD]]
        if not os.access(folder / "venv/bin/python", os.X_OK) and not os.access(folder / "bin/python", os.X_OK):
            lines.append(f"{folder.name}: its Python is gone")
    return lines
