"""What a fleet's state asks for: which processes to fork, and which to have leave."""

from dataclasses import replace
from typing import NamedTuple

from handover.decision.states import Fleet, Member, Phase


class Orders(NamedTuple):
    """What the master does now: have `spawn` workers of `generation` and the template of `load` forked, let `retire` finish what they
    hold and leave, end the templates `end`."""

    spawn: int = 0
    generation: int = 0
    retire: tuple[int, ...] = ()
    load: int | None = None
    end: tuple[int, ...] = ()


# Workers to be: asked for, or on their way.
_COMING = (Phase.ORDERED, Phase.BOOTING)
_HERE = (*_COMING, Phase.SERVING)


def due(fleet: Fleet) -> Orders:
    """What to do now. Idempotent: asked again after its orders were carried out, it orders nothing."""
    orders = _wanted(fleet)
    # That of the generation that serves stays while another one is on its way, which may be given up.
    superfluous = tuple(t.pid for t in fleet.templates if t.pid and t.generation not in (fleet.generation, fleet.incoming))
    if fleet.load.each:
        return orders._replace(end=superfluous)
    template = fleet.template(orders.generation)
    able = template is not None and template.phase is Phase.SERVING
    return orders._replace(spawn=orders.spawn if able else 0, load=orders.generation if template is None else None, end=superfluous)


def _wanted(fleet: Fleet) -> Orders:
    if fleet.incoming is None:
        return _steady(fleet)
    return _one_by_one(fleet, fleet.incoming) if fleet.one_by_one else _all_at_once(fleet, fleet.incoming)


def _steady(fleet: Fleet) -> Orders:
    """Workers of other generations leave, the serving ones not before this generation serves in full."""
    here = fleet.of(*_HERE, generation=fleet.generation)
    full = len(fleet.of(Phase.SERVING, generation=fleet.generation)) >= fleet.target
    others = fleet.of(Phase.BOOTING, Phase.SERVING) if full else fleet.of(Phase.BOOTING)
    leaving = tuple(m.pid for m in others if m.generation != fleet.generation)
    return Orders(max(0, fleet.target - len(here)), fleet.generation, leaving + _surplus(fleet, here))


def _all_at_once(fleet: Fleet, incoming: int) -> Orders:
    new = fleet.of(*_HERE, generation=incoming)
    return Orders(max(0, fleet.target - len(new)), incoming, _surplus(fleet, new))


def _one_by_one(fleet: Fleet, incoming: int) -> Orders:
    """One worker more than the target at any time: the next is forked when the one just replaced has gone."""
    new = fleet.of(*_HERE, generation=incoming)
    serving = fleet.of(Phase.SERVING)
    old = tuple(m for m in serving if m.generation != incoming)
    # Old workers that do not serve yet take room and give nothing; of those that do, so many as have been replaced.
    idle = tuple(m.pid for m in fleet.of(Phase.BOOTING) if m.generation != incoming)
    leaving = idle + tuple(m.pid for m in old)[: max(0, len(serving) - fleet.target)]
    room = len(fleet.members) <= fleet.target
    return Orders(int(room and len(new) < fleet.target), incoming, leaving + _surplus(fleet, new))


def _surplus(fleet: Fleet, members: tuple[Member, ...]) -> tuple[int, ...]:
    """Those beyond the target: first the ones that do not serve yet, then the oldest, as gunicorn's TTOU has it.

    One that is not forked yet cannot be told to leave: its turn comes when it is.
    """
    order = sorted(members, key=lambda m: (m.phase is not Phase.ORDERED, m.phase is Phase.SERVING, m.order))
    return tuple(m.pid for m in order[: max(0, len(members) - fleet.target)] if m.pid)


def everybody(fleet: Fleet) -> Orders:
    """All are to leave, for another master serves."""
    return Orders(retire=tuple(m.pid for m in fleet.of(Phase.BOOTING, Phase.SERVING)), end=tuple(t.pid for t in fleet.templates if t.pid))


def ordered(fleet: Fleet, orders: Orders) -> Fleet:
    """The orders are being carried out. What was asked of a template that is ended now is not wanted any more."""
    ended = {t.generation for t in fleet.templates if t.pid in orders.end}
    wanted = (m for m in fleet.members if m.phase is not Phase.ORDERED or m.generation not in ended)
    members = tuple(replace(m, phase=Phase.RETIRING) if m.pid and m.pid in orders.retire else m for m in wanted)
    new = tuple(Member(fleet.orders + 1 + place, orders.generation) for place in range(orders.spawn))
    count = fleet.orders + orders.spawn
    templates = tuple(t for t in fleet.templates if not t.pid or t.pid not in orders.end)
    if orders.load is not None:
        count += 1
        templates = (*templates, Member(count, orders.load))
    return replace(fleet, members=members + new, templates=templates, orders=count)
