"""From the processes that there are and those that are wanted to what is to be done. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from raab.protocol.processes import Process

# What an instance does. A `running` one may be starting; an `ending` one has been told to end; an `ended` one is a file only.
RUNNING, ENDING, ENDED = "running", "ending", "ended"


class Instance(NamedTuple):
    """One of a process, by its unit file, whose `text` names the release that it is of."""

    process: str
    number: int
    release: str
    state: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.process}-{self.number}"


class Wanted(NamedTuple):
    """A process, and how many of it."""

    process: Process
    instances: int


class Start(NamedTuple):
    """An instance that is to run, with the text of its unit file."""

    process: Process
    number: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.process.name}-{self.number}"


class Change(NamedTuple):
    """What is done: `end` and wait for their end, `start` and have them proved, `leave` to their end without a wait, `retire` and wait for
    it. `clear` are mere files."""

    end: tuple[Instance, ...] = ()
    start: tuple[Start, ...] = ()
    retire: tuple[Instance, ...] = ()
    leave: tuple[Instance, ...] = ()
    clear: tuple[Instance, ...] = ()


def decide(there: Sequence[Instance], wanted: Sequence[Wanted], text: Callable[[Process, int], str], anew: bool = False) -> Change:
    """`text` is what an instance's unit file has to be. One that runs by another text is of before; with `anew` each is,
    and none is left when a new one starts.

    Those of before end before the new ones start. Where their process says `overlap` they are left to their end afterwards: they
    keep their numbers meanwhile, and the new ones have others.
    """
    parts = [_of_process([one for one in there if one.process == each.process.name], each, text, anew) for each in wanted]
    declared = {each.process.name for each in wanted}
    gone = [one for one in there if one.process not in declared]
    parts.append(Change(retire=_in_state(gone, RUNNING), clear=_in_state(gone, ENDED)))
    end, start, retire, leave, clear = zip(*parts, strict=True)
    return Change(sum(end, ()), sum(start, ()), sum(retire, ()), sum(leave, ()), sum(clear, ()))


def _of_process(there: Sequence[Instance], wanted: Wanted, text: Callable[[Process, int], str], anew: bool) -> Change:
    running = _in_state(there, RUNNING)
    same = [one for one in running if not anew and one.text == text(wanted.process, one.number)]
    kept = sorted(same, key=lambda one: one.number)[: wanted.instances]
    old = tuple(one for one in running if one not in kept)
    beside = wanted.process.overlap and not anew
    busy = {one.number for one in (*kept, *_in_state(there, ENDING), *(old if beside else ()))}
    free = (number for number in itertools.count(1) if number not in busy)
    numbers = list(itertools.islice(free, wanted.instances - len(kept)))
    start = tuple(Start(wanted.process, number, text(wanted.process, number)) for number in numbers)
    clear = tuple(one for one in _in_state(there, ENDED) if one.number not in numbers)
    if beside:
        return Change(start=start, leave=old, clear=clear)
    return Change(end=old, start=start, clear=clear) if start else Change(retire=old, clear=clear)


def _in_state(there: Iterable[Instance], state: str) -> tuple[Instance, ...]:
    return tuple(one for one in there if one.state == state)
