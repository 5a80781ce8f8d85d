"""Having the processes of a service be those of a release."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from raab.host import systemd
from raab.host.beside import counts, proof, there, unit
from raab.host.beside.change import ENDED, Change, Instance, Start, decide
from raab.host.durable import write_durably
from raab.host.paths import Paths
from raab.protocol.processes import Table
from raab.protocol.values import DAY

Say = Callable[[str], None]


def become(paths: Paths, release: Path | None, say: Say, anew: bool = False) -> None:
    """Have those of the release run, as many as are wanted, proved, and no others; with `anew` no process of before. None is no release.

    Raises RaabError when one does not stay up; what runs then is as it was when that was seen, and another call puts it right.
    """
    table = unit.table(release) if release else Table()
    now = there.look(paths)
    if not now and not table.processes:
        return
    text = unit.Texts(paths, release).process if release else _nothing
    change = decide(now, counts.wanted(table, counts.load(paths)), text, anew)
    carry_out(paths, change, say)


def _nothing(*_: object) -> str:
    return ""


def carry_out(paths: Paths, change: Change, say: Say) -> None:
    """In the change's own order, so that whatever cuts it off leaves units that systemd keeps to, and that the next one starts from."""
    end(paths, change.end, say)
    clear(paths, change.clear)
    for one in change.start:
        write_durably(paths.units / paths.beside(one.name), one.text.encode(errors="surrogateescape"))
        enable(paths, one.name)
    if change.start:
        say(f"starting processes: {_names(change.start)}")
        systemd.must("systemctl", "daemon-reload")
        began = time.time()
        units = [paths.beside(one.name) for one in change.start]
        systemd.order("systemctl", "reset-failed", *units)
        systemd.must("systemctl", "start", "--no-block", *units)
        say("proving them by their staying up")
        proof.prove(paths, change.start, began)
    if change.leave:
        say(f"leaving processes to their end: {_names(change.leave)}")
        disable(paths, change.leave)
        systemd.must("systemctl", "stop", "--no-block", *_units(paths, change.leave))
    end(paths, change.retire, say)
    if change.end or change.clear or change.retire:
        systemd.must("systemctl", "daemon-reload")


def end(paths: Paths, ones: Sequence[Instance], say: Say) -> None:
    """By its old file each, in its own seconds; then that file goes."""
    if ones:
        say(f"ending processes, each when it has done what it does: {_names(ones)}")
        disable(paths, ones)
        systemd.stop(*_units(paths, ones), timeout=DAY)
        clear(paths, ones)


def ending(paths: Paths) -> list[Instance]:
    """Those that were told to end: nothing would start them again."""
    return [one for one in there.look(paths) if not wants(paths, one.name).is_symlink()]


def sweep(paths: Paths) -> bool:
    """Take the files away of those that were told to end, and have; whether there were any."""
    ended = [one for one in ending(paths) if one.state == ENDED]
    clear(paths, ended)
    return bool(ended)


def enable(paths: Paths, name: str) -> None:
    """As systemctl enable does it, which would have systemd read all its files each time."""
    link = wants(paths, name)
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(paths.units / paths.beside(name))


def disable(paths: Paths, gone: Iterable[Instance]) -> None:
    for one in gone:
        wants(paths, one.name).unlink(missing_ok=True)


def wants(paths: Paths, name: str) -> Path:
    return paths.units / "multi-user.target.wants" / paths.beside(name)


def clear(paths: Paths, ended: Iterable[Instance]) -> None:
    """Of instances that have ended; one that failed is none that systemd has to remember."""
    gone = tuple(ended)
    disable(paths, gone)
    if gone:
        systemd.order("systemctl", "reset-failed", *_units(paths, gone))
    for one in gone:
        (paths.units / paths.beside(one.name)).unlink(missing_ok=True)


def _units(paths: Paths, ones: Iterable[Instance]) -> list[str]:
    return [paths.beside(one.name) for one in ones]


def _names(ones: Iterable[Instance | Start]) -> str:
    return ", ".join(one.name for one in ones)
