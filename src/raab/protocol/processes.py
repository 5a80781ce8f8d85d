"""What a service has beside its web: processes that run all the time and timers that run now and then, as a release says it and a host
takes it. Standard library only, and pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from raab.protocol.reading import read
from raab.protocol.values import DAY, Must, Seconds, between, command, matching

# A name ends in no number, so that no timer is called like a process's instance: worker-1.
NAME = re.compile(r"\A(?=.{1,31}\Z)[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*\Z", re.ASCII)
NAME_WORDS = "small letters and digits, single dashes between them, a letter first and after each dash, at most 31"
# What every service has by itself.
WEB = "web"
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2")
# What systemd/allow has a drop-in for.
ALLOWED = ("aio", "exec", "jit", "netlink", "proc")
# Instances of one process on one host.
MOST = 100
SCHEDULE = r"[A-Za-z0-9*][A-Za-z0-9*:/.,~_+ -]{0,119}"


def named(value: str) -> bool:
    """Whether a process or a timer can be called so."""
    return NAME.match(value) is not None and value != WEB


def one_program(value: str) -> bool:
    """Whether it is one program with its words, which a shell is replaced by: it gets signals that nobody passes on."""
    if not command(value) or "\n" in value or value != value.strip():
        return False
    parser = shlex.shlex(value, posix=True, punctuation_chars=";|&")
    parser.whitespace_split = True
    try:
        words = list(parser)
    except ValueError:
        return False
    return bool(words) and not any(word and set(word) <= set(";|&") for word in words)


def line(value: str) -> bool:
    """Whether it can be looked for in a log line."""
    return len(value) <= 200 and value.isprintable()


ProcessName = Annotated[str, Must(f"a name of {NAME_WORDS}, other than {WEB}", named)]
ProcessNameOrNone = Annotated[str, Must("a process's name, or none", lambda value: not value or named(value))]
Program = Annotated[str, Must("one program with its words", one_program)]
Schedule = Annotated[str, matching("a calendar event of systemd's", SCHEDULE)]


class Process(NamedTuple):
    """A process of which so many `instances` run. They are told to stop by `signal`, and have so many `seconds` for what they do then.

    One counts as good that has stayed up for `settle` seconds, and has printed a line with the text `ready`, or said READY=1 where that is
    the word notify. `overlap`: the new ones start before the old have ended. `allow` names additions to the sandbox.
    """

    name: ProcessName
    command: Program
    instances: Annotated[int, between(0, MOST)] = 1
    signal: Annotated[str, matching("a signal", "|".join(SIGNALS))] = "TERM"
    seconds: Seconds = 30.0
    settle: Annotated[float, between(0, 600)] = 5.0
    ready: Annotated[str, Must("a text of at most 200 printable letters", line)] = ""
    overlap: bool = False
    allow: tuple[Annotated[str, matching("an addition to the sandbox", "|".join(ALLOWED))], ...] = ()


class Timer(NamedTuple):
    """A command that runs by a `schedule` (systemd.time(7)), on one host of the environment or on `all`; a missed run is made up for where
    it is `persistent`. It may take so many `seconds`; 0 is no limit."""

    name: ProcessName
    command: Program
    schedule: Schedule
    on: Annotated[str, matching("one or all", "one|all")] = "one"
    persistent: bool = False
    seconds: Annotated[float, between(0, DAY)] = 0.0
    allow: tuple[Annotated[str, matching("an addition to the sandbox", "|".join(ALLOWED))], ...] = ()


class Table(NamedTuple):
    """What a release has beside its web."""

    processes: tuple[Process, ...] = ()
    timers: tuple[Timer, ...] = ()

    @property
    def told(self) -> dict[str, str]:
        """By their names, each in a line for people that differs where the two of two releases differ."""
        return {one.name: f"{one.instances} of {_words(one)}" for one in self.processes} | {one.name: _words(one) for one in self.timers}


def table(manifest: Mapping[str, Any]) -> Table:
    """By a release's manifest; one of before there were such has none. Raises ValueError for what is none."""
    found: Table = read(Table, {name: manifest.get(name, []) for name in Table._fields}, "manifest")
    return found


def _words(one: Process | Timer) -> str:
    """All that it does not leave as it is by default."""
    said = {name: value for name, value in one._asdict().items() if value != one._field_defaults.get(name)}
    more = [f"{name} {_word(value)}" for name, value in said.items() if name not in ("name", "command", "instances")]
    return ", ".join([f"`{one.command}`", *more])


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "true" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
