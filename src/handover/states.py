"""Who waits, who leaves: the hand-over as values, with no process in sight.

A `Fleet` is what the master knows of its workers. Events (`reload`, `ready`, `left`, `scale`) return the next fleet;
`settle` says what has to be done about it now. The arbiter is the shell that turns real events into these calls and the
returned orders into forks and signals. A generation is complete when as many of its workers serve as the target asks for;
only then do the workers of older generations retire.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple


class Phase(Enum):
    """Where a worker is in its life."""

    BOOTING = "booting"
    SERVING = "serving"
    RETIRING = "retiring"


@dataclass(frozen=True)
class Member:
    """One worker process; `order` counts forks, so the oldest worker has the lowest."""

    pid: int
    generation: int
    order: int
    phase: Phase = Phase.BOOTING


@dataclass(frozen=True)
class Fleet:
    """All workers of one master.

    `generation` is the newest that was ever complete (0: none yet), `incoming` the one being built, `newest` the highest
    number ever given out. `again` remembers a reload that was asked for while one was under way. `crashes` counts deaths
    of incoming workers that had served, and in steady state consecutive deaths at boot.
    """

    target: int
    generation: int = 0
    incoming: int | None = None
    newest: int = 0
    again: bool = False
    crashes: int = 0
    one_by_one: bool = False
    members: tuple[Member, ...] = ()

    def of(self, *phases: Phase, generation: int | None = None) -> tuple[Member, ...]:
        """The members in any of `phases`, oldest first; of one generation only, when that is given."""
        chosen = (m for m in self.members if m.phase in phases and generation in (None, m.generation))
        return tuple(sorted(chosen, key=lambda m: m.order))


class Orders(NamedTuple):
    """What the master does now: fork `spawn` workers of `generation`, let `retire` finish what they hold and leave."""

    spawn: int = 0
    generation: int = 0
    retire: tuple[int, ...] = ()


def reload(fleet: Fleet, target: int, *, one_by_one: bool = False) -> Fleet:
    """A new generation is wanted. During a hand-over this is remembered, once, and begins when that one has ended."""
    if fleet.incoming is not None:
        return replace(fleet, again=True)
    newest = fleet.newest + 1
    gradual = one_by_one and bool(fleet.of(Phase.SERVING))
    return replace(fleet, target=target, incoming=newest, newest=newest, crashes=0, one_by_one=gradual)


def spawned(fleet: Fleet, pid: int, generation: int, order: int) -> Fleet:
    """A worker was forked."""
    return replace(fleet, members=(*fleet.members, Member(pid, generation, order)))


def ready(fleet: Fleet, pid: int) -> Fleet:
    """A worker can answer requests. A word from one that is already retiring changes nothing."""
    members = tuple(replace(m, phase=Phase.SERVING) if m.pid == pid and m.phase is Phase.BOOTING else m for m in fleet.members)
    crashes = fleet.crashes if fleet.incoming is not None else 0
    return replace(fleet, members=members, crashes=crashes)


def retired(fleet: Fleet, pids: tuple[int, ...]) -> Fleet:
    """Workers were told to leave."""
    members = tuple(replace(m, phase=Phase.RETIRING) if m.pid in pids else m for m in fleet.members)
    return replace(fleet, members=members)


def left(fleet: Fleet, pid: int, *, by_signal: bool = False) -> Fleet:
    """A worker process ended; `failed` says whether its generation can still become complete.

    A worker that gave up booting condemns its generation. One that served, or that a signal from outside ended
    (`by_signal`), says little of the code: it is replaced, as often as the generation has workers.
    """
    gone = next((m for m in fleet.members if m.pid == pid), None)
    if gone is None:
        return fleet
    members = tuple(m for m in fleet.members if m.pid != pid)
    fleet = replace(fleet, members=members)
    if gone.phase is Phase.RETIRING:
        return fleet
    if fleet.incoming is None:
        return replace(fleet, crashes=fleet.crashes + 1 if gone.phase is Phase.BOOTING else 0)
    if gone.generation == fleet.incoming:
        excused = by_signal or gone.phase is Phase.SERVING
        return replace(fleet, crashes=fleet.crashes + (1 if excused else fleet.target + 1))
    return fleet


def unspawnable(fleet: Fleet) -> Fleet:
    """No worker can be forked now: a generation on its way is given up, since the old one may have to serve for long."""
    return replace(fleet, crashes=fleet.target + 1) if fleet.incoming is not None else fleet


def complete(fleet: Fleet) -> bool:
    """Whether the incoming generation can take over."""
    serving = fleet.of(Phase.SERVING, generation=fleet.incoming)
    return fleet.incoming is not None and len(serving) >= fleet.target


def failed(fleet: Fleet) -> bool:
    """Whether the incoming generation has to be given up."""
    return fleet.incoming is not None and fleet.crashes > fleet.target


def taken_over(fleet: Fleet) -> Fleet:
    """The incoming generation is complete and is the one that serves from now on."""
    assert fleet.incoming is not None
    return replace(fleet, generation=fleet.incoming, incoming=None, crashes=0, one_by_one=False)


def given_up(fleet: Fleet, target: int) -> Fleet:
    """The incoming generation is abandoned; the settings of before, and so their `target`, hold again.

    Replacing one by one, the workers already handed over stay, since the old ones that they replaced have left: they
    count as the old generation's from now on, and the next reload replaces them with the others.
    """
    fleet = replace(fleet, target=target)
    if fleet.one_by_one:
        adopted = tuple(replace(m, generation=fleet.generation) if m.phase is Phase.SERVING else m for m in fleet.members)
        fleet = replace(fleet, members=adopted)
    return replace(fleet, incoming=None, crashes=0, one_by_one=False)


def settle(fleet: Fleet) -> Orders:
    """What to do now. Idempotent: asked again after its orders were carried out, it orders nothing."""
    if fleet.incoming is None:
        return _steady(fleet)
    if fleet.one_by_one:
        return _one_by_one(fleet, fleet.incoming)
    return _all_at_once(fleet, fleet.incoming)


def _steady(fleet: Fleet) -> Orders:
    """Workers of other generations leave, the serving ones not before this generation serves in full."""
    here = fleet.of(Phase.BOOTING, Phase.SERVING, generation=fleet.generation)
    full = len(fleet.of(Phase.SERVING, generation=fleet.generation)) >= fleet.target
    others = fleet.of(Phase.BOOTING, Phase.SERVING) if full else fleet.of(Phase.BOOTING)
    leaving = tuple(m.pid for m in others if m.generation != fleet.generation)
    return Orders(max(0, fleet.target - len(here)), fleet.generation, leaving + _surplus(fleet, here))


def _all_at_once(fleet: Fleet, incoming: int) -> Orders:
    new = fleet.of(Phase.BOOTING, Phase.SERVING, generation=incoming)
    return Orders(max(0, fleet.target - len(new)), incoming, _surplus(fleet, new))


def _one_by_one(fleet: Fleet, incoming: int) -> Orders:
    """One worker more than the target at any time: the next is forked when the one just replaced has gone."""
    new = fleet.of(Phase.BOOTING, Phase.SERVING, generation=incoming)
    serving = fleet.of(Phase.SERVING)
    old = tuple(m for m in serving if m.generation != incoming)
    # Old workers that do not serve yet take room and give nothing; of those that do, so many as have been replaced.
    idle = tuple(m.pid for m in fleet.of(Phase.BOOTING) if m.generation != incoming)
    leaving = idle + tuple(m.pid for m in old)[: max(0, len(serving) - fleet.target)]
    room = len(fleet.members) <= fleet.target
    return Orders(int(room and len(new) < fleet.target), incoming, leaving + _surplus(fleet, new))


def _surplus(fleet: Fleet, members: tuple[Member, ...]) -> tuple[int, ...]:
    """Those beyond the target: first the ones that do not serve yet, then the oldest, as gunicorn's TTOU has it."""
    order = sorted(members, key=lambda m: (m.phase is Phase.SERVING, m.order))
    return tuple(m.pid for m in order[: max(0, len(members) - fleet.target)])
