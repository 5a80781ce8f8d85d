"""Who waits, who leaves: the hand-over as values, with no process in sight.

A `Fleet` is what the master knows of its processes. Events (`reload`, `forked`, `ready`, `left`) return the next one; `ordering` says what
it asks for now. A generation is complete when as many of its workers serve as the target asks for; only then do the workers of older
generations retire.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from handover.settings.options import Options


class Phase(Enum):
    """Where a process is in its life: asked for but not forked yet, loading, able to do its work, or leaving."""

    ORDERED = "ordered"
    BOOTING = "booting"
    SERVING = "serving"
    RETIRING = "retiring"


@dataclass(frozen=True)
class Member:
    """One worker or template; `order` counts what was ever asked for, so the oldest has the lowest. `pid` is 0 until it is forked.

    `shut`: it accepts no connections any more.
    """

    order: int
    generation: int
    pid: int = 0
    phase: Phase = Phase.ORDERED
    shut: bool = False


@dataclass(frozen=True)
class Load:
    """What the processes of one generation load: the `release`, with gunicorn's `settings`, our `options` among them, as read for it.

    `workers` is the number that these settings ask for. `each` is empty when the workers share what a template has loaded, else it says
    why each of them loads by itself.
    """

    release: str = ""
    settings: Any = None
    options: Options = field(default_factory=Options)
    workers: int = 1
    each: str = ""


@dataclass(frozen=True)
class Fleet:
    """All workers and templates of one master.

    `generation` is the newest that was ever complete (0: none yet), `incoming` the one being built, `newest` the highest
    number ever given out; `loads` has what those two consist of. `crashes` counts deaths of incoming workers that had
    served, and in steady state consecutive deaths at boot. `died` counts workers of `generation` that ended while they served, without
    being told to and without a word.
    """

    target: int
    generation: int = 0
    incoming: int | None = None
    newest: int = 0
    crashes: int = 0
    died: int = 0
    one_by_one: bool = False
    orders: int = 0
    members: tuple[Member, ...] = ()
    templates: tuple[Member, ...] = ()
    loads: dict[int, Load] = field(default_factory=dict)

    def of(self, *phases: Phase, generation: int | None = None) -> tuple[Member, ...]:
        """The workers in any of `phases`, oldest first; of one generation only, when that is given."""
        chosen = (m for m in self.members if m.phase in phases and generation in (None, m.generation))
        return tuple(sorted(chosen, key=lambda m: m.order))

    def template(self, generation: int) -> Member | None:
        """The template of a generation, in whatever phase."""
        return next((t for t in self.templates if t.generation == generation), None)

    @property
    def leaving(self) -> bool:
        """Whether a worker that was told to leave may still accept connections."""
        return any(m.phase is Phase.RETIRING and not m.shut for m in self.members)

    @property
    def load(self) -> Load:
        """What is loaded now: for the generation on its way, else for the one that serves."""
        return self.loads[self.incoming or self.generation]


def reload(fleet: Fleet, target: int, load: Load) -> Fleet:
    """A new generation is wanted, and none is on its way."""
    assert fleet.incoming is None
    newest = fleet.newest + 1
    gradual = load.options.one_by_one and bool(fleet.of(Phase.SERVING))
    loads = {**fleet.loads, newest: load}
    return replace(fleet, target=target, incoming=newest, newest=newest, crashes=0, one_by_one=gradual, loads=loads)


def forked(fleet: Fleet, order: int, pid: int) -> Fleet:
    """What was asked for has a process; a word that comes twice, or for what is not wanted any more, changes nothing."""

    def named(members: tuple[Member, ...]) -> tuple[Member, ...]:
        return tuple(replace(m, pid=pid, phase=Phase.BOOTING) if m.order == order and not m.pid else m for m in members)

    return replace(fleet, members=named(fleet.members), templates=named(fleet.templates))


def ready(fleet: Fleet, pid: int) -> Fleet:
    """A worker can answer requests, or a template can be asked for workers. A word from one that retires changes nothing."""

    def serving(members: tuple[Member, ...]) -> tuple[Member, ...]:
        return tuple(replace(m, phase=Phase.SERVING) if m.pid == pid and m.phase is Phase.BOOTING else m for m in members)

    crashes = fleet.crashes if fleet.incoming is not None else 0
    return replace(fleet, members=serving(fleet.members), templates=serving(fleet.templates), crashes=crashes)


def closed(fleet: Fleet, pid: int) -> Fleet:
    """A worker accepts no connections any more: it was told to leave, or leaves of its own accord, which says as little of the code as a
    signal from outside."""
    members = tuple(replace(m, phase=Phase.RETIRING, shut=True) if m.pid == pid else m for m in fleet.members)
    early = any(m.pid == pid and m.phase is Phase.SERVING and m.generation == fleet.incoming for m in fleet.members)
    return replace(fleet, members=members, crashes=fleet.crashes + early)


def unshared(fleet: Fleet, pid: int, why: str) -> Fleet:
    """A template has found that its generation cannot be shared, and ends."""
    template = next((t for t in fleet.templates if t.pid == pid), None)
    if template is None:
        return fleet
    # It may have been retired meanwhile.
    loads = {number: replace(load, each=why) if number == template.generation else load for number, load in fleet.loads.items()}
    return replace(fleet, templates=tuple(t for t in fleet.templates if t is not template), loads=loads)


def left(fleet: Fleet, pid: int, *, by_signal: bool = False) -> Fleet:
    """A process ended; `failed` says whether its generation can still become complete.

    A worker or template that gave up booting condemns its generation. One that served, or that a signal from outside ended
    (`by_signal`), says little of the code: it is replaced, as often as the generation has workers.
    """
    gone = next((m for m in (*fleet.members, *fleet.templates) if m.pid == pid), None)
    if gone is None:
        return fleet
    template = gone in fleet.templates
    fleet = _without(fleet, gone)
    if gone.phase is Phase.RETIRING:
        return fleet
    if gone.phase is Phase.SERVING and not template and gone.generation == fleet.generation:
        fleet = replace(fleet, died=fleet.died + 1)
    if fleet.incoming is None:
        # A template is one of its kind: that it ends again and again shall not keep the machine busy.
        counts = template or gone.phase is Phase.BOOTING
        return replace(fleet, crashes=fleet.crashes + 1 if counts else 0)
    if gone.generation == fleet.incoming:
        excused = by_signal or gone.phase is Phase.SERVING
        return replace(fleet, crashes=fleet.crashes + (1 if excused else fleet.target + 1))
    return fleet


def unforked(fleet: Fleet, order: int) -> Fleet:
    """No process can be had for what was asked for: a generation on its way is given up, since the old one may have to serve for long."""
    gone = next((m for m in (*fleet.members, *fleet.templates) if m.order == order and not m.pid), None)
    if gone is None:
        return fleet
    fleet = _without(fleet, gone)
    return replace(fleet, crashes=fleet.target + 1 if fleet.incoming is not None else fleet.crashes + 1)


def _without(fleet: Fleet, gone: Member) -> Fleet:
    """Nobody will carry out what a template was asked for when it ended."""
    lost = {m.order for m in fleet.of(Phase.ORDERED, generation=gone.generation)} if gone in fleet.templates else set()
    members = tuple(m for m in fleet.members if m is not gone and m.order not in lost)
    return replace(fleet, members=members, templates=tuple(t for t in fleet.templates if t is not gone))


def complete(fleet: Fleet) -> bool:
    """Whether the incoming generation can take over."""
    return fleet.incoming is not None and len(fleet.of(Phase.SERVING, generation=fleet.incoming)) >= fleet.target


def failed(fleet: Fleet) -> bool:
    """Whether the incoming generation has to be given up."""
    return fleet.incoming is not None and fleet.crashes > fleet.target


def taken_over(fleet: Fleet) -> Fleet:
    """The incoming generation is complete and is the one that serves from now on."""
    assert fleet.incoming is not None
    loads = {fleet.incoming: fleet.load}
    return replace(fleet, generation=fleet.incoming, incoming=None, crashes=0, died=0, one_by_one=False, loads=loads)


def given_up(fleet: Fleet, target: int) -> Fleet:
    """The incoming generation is abandoned; the settings of before, and so their `target`, hold again.

    Replacing one by one, the workers already handed over stay, since the old ones that they replaced have left: they
    count as the old generation's from now on, and the next reload replaces them with the others.
    """
    if fleet.one_by_one:
        adopted = tuple(replace(m, generation=fleet.generation) if m.phase is Phase.SERVING else m for m in fleet.members)
        fleet = replace(fleet, members=adopted)
    # What was asked of the generation's template is not wanted any more; should it come all the same, it is ended as a stranger.
    members = tuple(m for m in fleet.members if m.phase is not Phase.ORDERED or m.generation != fleet.incoming)
    loads = {number: load for number, load in fleet.loads.items() if number != fleet.incoming}
    return replace(fleet, target=target, members=members, incoming=None, crashes=0, one_by_one=False, loads=loads)
