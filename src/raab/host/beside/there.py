"""Which processes of a service there are on a host, and which releases they are of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from raab.host import processes, systemd
from raab.host.beside import unit
from raab.host.beside.change import ENDED, ENDING, RUNNING, Instance
from raab.host.paths import Paths

_STATES = {"active": RUNNING, "activating": RUNNING, "reloading": RUNNING, "deactivating": ENDING}


def files(paths: Paths, kind: str = "service") -> dict[str, str]:
    """The texts of the unit files that raab has written for the service's processes and timers, by what stands between @ and the dot."""
    found = {}
    for file in sorted(paths.units.glob(f"{paths.name}@*.{kind}")):
        with suppress(OSError):
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
            if unit.release_of(text):
                found[file.name.partition("@")[2].removesuffix(f".{kind}")] = text
    return found


def look(paths: Paths) -> tuple[Instance, ...]:
    """The instances of processes, by their unit files and systemd's word."""
    known = {name: (text, *which) for name, text in files(paths).items() if (which := unit.instance(name))}
    shown = systemd.shows([paths.beside(name) for name in known], "ActiveState")
    states = [_STATES.get(one.get("ActiveState", ""), ENDED) for one in shown]
    return tuple(
        Instance(process, number, unit.release_of(text), state, text)
        for (text, process, number), state in zip(known.values(), states, strict=True)
    )


def releases(paths: Paths) -> frozenset[str]:
    """Those that processes, timers, somebody's commands or the web's workers run in, or would be started in."""
    named = {unit.release_of(text) for text in files(paths).values()}
    inside = re.compile(re.escape(f"{paths.releases}/") + r"([^/\s\0]+)")
    # Of a command that somebody runs the unit is of no service's name (raab.host.units.unit).
    ours = (pid for pid in processes.pids() if any(part in processes.control_group(pid) for part in (f"/{paths.name}@", "/raabnow")))
    texts = [text for pid in ours for text in _words(pid)]
    # A worker that retires may have a minute for what it does, and several deploys may come within it. All of them have mapped files of
    # their master's release, which may be an older one; of their own is where they are.
    texts += [_folder(one.pid) for one in processes.within(paths.unit)]
    return frozenset(named | {found for text in texts for found in inside.findall(text)})


def _words(pid: int) -> Iterator[str]:
    """Where a process of an earlier release's code shows that, whatever it has made of its own name and variables since."""
    for name in ("environ", "cmdline", "maps"):
        with suppress(OSError):
            yield Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    yield _folder(pid)


def _folder(pid: int) -> str:
    """Where a process is; empty when there is no such process."""
    try:
        return f"{os.readlink(f'/proc/{pid}/cwd')}/"  # noqa: PTH115
    except OSError:
        return ""
