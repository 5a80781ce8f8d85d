"""Having the timers of a service be those of a release. What a timer has started goes on in its own release, whatever its files say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host import systemd
from raab.host.beside import there, unit
from raab.host.durable import write_durably
from raab.host.paths import Paths
from raab.protocol.processes import Table, Timer


def check(release: Path) -> None:
    """Raises RaabError for a timer whose schedule systemd does not know."""
    for timer in unit.table(release).timers:
        done = systemd.order("systemd-analyze", "calendar", timer.schedule)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["systemd says no more"])[-1]
            raise RaabError(f"timers.{timer.name}.schedule: {said}, got {timer.schedule!r}", "man systemd.time, CALENDAR EVENTS")


def become(paths: Paths, release: Path | None, say: Callable[[str], None]) -> None:
    """Have those of the release wait for their time on this host, and no others. None is no release."""
    table = unit.table(release) if release else Table()
    known = there.files(paths, "timer")
    if not known and not table.timers:
        return
    wanted = {timer.name: timer for timer in table.timers if timer.on == "all" or chosen(paths)}
    gone = [name for name in known if name not in wanted]
    if gone:
        say(f"ending timers: {', '.join(gone)}")
        end(paths, gone)
    texts = unit.Texts(paths, release) if release else None
    changed = [timer.name for timer in wanted.values() if texts and write(paths, timer, texts)]
    if gone or changed:
        systemd.must("systemctl", "daemon-reload")
    # Somebody may have stopped one, whose files are as they were.
    shown = systemd.shows([paths.timer(name) for name in wanted], "ActiveState")
    begin = [name for name, told in zip(wanted, shown, strict=True) if name in changed or told.get("ActiveState") != "active"]
    if begin:
        say(f"timers: {', '.join(begin)}")
        systemd.must("systemctl", "restart", *(paths.timer(name) for name in begin))


def write(paths: Paths, timer: Timer, texts: unit.Texts) -> bool:
    """Its files, where they are others; whether they were."""
    wanted = {paths.beside(timer.name): texts.run(timer), paths.timer(timer.name): texts.timer(timer)}
    known = {paths.beside(timer.name): there.files(paths), paths.timer(timer.name): there.files(paths, "timer")}
    link = wants(paths, timer.name)
    if link.is_symlink() and all(known[name].get(timer.name) == text for name, text in wanted.items()):
        return False
    for name, text in wanted.items():
        write_durably(paths.units / name, text.encode(errors="surrogateescape"))
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(paths.units / paths.timer(timer.name))
    return True


def end(paths: Paths, names: list[str]) -> None:
    """They start nothing any more. What runs goes on, and its file stays until it has ended."""
    for name in names:
        wants(paths, name).unlink(missing_ok=True)
    systemd.stop(*map(paths.timer, names))
    for name in names:
        (paths.units / paths.timer(name)).unlink(missing_ok=True)
    sweep(paths)


def sweep(paths: Paths) -> bool:
    """Take away what was started by timers that are gone, and has ended; whether anything was."""
    timers = there.files(paths, "timer")
    left = [name for name in there.files(paths) if name not in timers and not unit.instance(name)]
    shown = systemd.shows([paths.beside(name) for name in left], "ActiveState")
    ended = [name for name, told in zip(left, shown, strict=True) if told.get("ActiveState") in ("inactive", "failed")]
    for name in ended:
        systemd.order("systemctl", "reset-failed", paths.beside(name))
        (paths.units / paths.beside(name)).unlink(missing_ok=True)
    return bool(ended)


def named(paths: Paths, name: str) -> str:
    """The unit of what the timer of that name runs. Raises RaabError, exit code 2, where there is none on this host."""
    known = there.files(paths, "timer")
    if name not in known:
        raise RaabError(f"run: no such timer on this host, got {name}", f"it has: {', '.join(known) or 'none'}", exitcodes.BAD_INPUT)
    return paths.beside(name)


def choose(paths: Paths, here: bool) -> None:
    """Have this host be the one of its environment on which timers run that run on one alone, or not."""
    if here and not chosen(paths):
        write_durably(paths.chosen, b"Written by raab: timers with `on: one` run on this host.\n")
    elif not here:
        paths.chosen.unlink(missing_ok=True)


def chosen(paths: Paths) -> bool:
    return paths.chosen.is_file()


def wants(paths: Paths, name: str) -> Path:
    return paths.units / "timers.target.wants" / paths.timer(name)
