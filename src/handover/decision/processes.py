"""What processes say and how they end, and the orders that follow from it."""

from __future__ import annotations

import logging
from dataclasses import replace

from handover.decision import actions, events, ordering, reloading, scaling, states, succession
from handover.decision.actions import Log
from handover.decision.actions import Plain as Do
from handover.decision.ordering import Orders
from handover.decision.states import Phase
from handover.decision.turn import Turn

# Seconds before another worker is forked when the last one could not boot: doubled with each attempt, up to the longest.
_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


def forked(turn: Turn, order: int, pid: int, why: str) -> None:
    """What was asked for is a process, or (pid 0) cannot be one."""
    fleet = turn.fleet
    if not pid:
        turn.become(fleet=states.unforked(fleet, order), why=f"no worker could be forked: {why}", rest=turn.now.time + 4 * _PAUSE)
        turn.do(Log(logging.ERROR, turn.state.why))
        return
    turn.become(fleet=states.forked(fleet, order, pid))
    # Nobody may want it any more.
    if turn.fleet == fleet or turn.state.stopping:
        turn.do(actions.Retire(pid))


def said(turn: Turn, pid: int, word: str, why: str) -> None:
    """A process has said that it is ready, that it cannot be shared, or that its listeners are closed."""
    fleet = turn.fleet
    if word == "unshared":
        turn.become(fleet=states.unshared(fleet, pid, why))
        turn.do(Log(logging.WARNING, f"each worker loads the application by itself: {why}"))
    elif word == "closed":
        turn.become(fleet=states.closed(fleet, pid))
    elif pid in {member.pid for member in (*fleet.members, *fleet.templates)}:
        turn.become(fleet=states.ready(fleet, pid))
    else:
        turn.do(actions.Retire(pid))


def left(turn: Turn, gone: events.Left) -> None:
    """A process has ended. What it had to say is kept, in case that it condemns its generation."""
    fleet = turn.fleet
    if any(member.pid == gone.pid and member.phase is Phase.BOOTING for member in fleet.members):
        turn.become(why=f"worker {gone.pid} {gone.reason or gone.how}")
    elif any(member.pid == gone.pid for member in fleet.templates):
        turn.become(why=gone.reason or f"template {gone.pid} {gone.how}")
    fleet = states.left(fleet, gone.pid, by_signal=gone.by_signal and not gone.reason)
    turn.become(fleet=fleet)
    if fleet.incoming is None and fleet.crashes:
        turn.become(rest=turn.now.time + min(_PAUSE * 2 ** min(fleet.crashes, 10), _LONGEST_PAUSE))


def settle(turn: Turn) -> None:
    """Give the orders that the fleet's state asks for, until it asks for nothing more; then tell who waits for what has come about."""
    if turn.state.leaving is not None:
        succession.leave(turn)
        return
    while True:
        if states.complete(turn.fleet):
            _taken_over(turn)
        elif states.failed(turn.fleet) and turn.fleet.generation == 0:
            turn.do(Do.HALT)
            return
        elif states.failed(turn.fleet):
            reloading.give_up(turn, turn.state.why)
        orders = _possible(turn, ordering.due(turn.fleet))
        if not (orders.spawn or orders.retire or orders.end or orders.load is not None):
            break
        _order(turn, orders)
    if turn.refusal is not None:
        reloading.conclude(turn, turn.refusal)
    elif turn.reload and turn.reload.taken and not turn.fleet.leaving:
        reloading.conclude(turn, "")
    succession.launch(turn)
    reloading.tell_held(turn)
    scaling.answer_when_there(turn)


def _possible(turn: Turn, orders: Orders) -> Orders:
    """No process is forked while it would be too early, or while a successor is to be launched: it must not become the successor's; and
    no worker of a release that is held."""
    reload = turn.reload
    if turn.now.time < turn.state.rest or (reload and reload.heir and reload.deadline is None):
        return orders._replace(spawn=0, load=None)
    return orders._replace(spawn=0) if reload and reload.held else orders


def _order(turn: Turn, orders: Orders) -> None:
    last = turn.fleet.orders
    fleet = ordering.ordered(turn.fleet, orders)
    turn.become(fleet=fleet)
    turn.do(*(actions.Retire(pid) for pid in (*orders.retire, *orders.end)))
    template = fleet.template(orders.generation)
    for order in range(last + 1, last + orders.spawn + 1):
        turn.do(actions.Order(template.pid, order) if template and not fleet.load.each else actions.Fork(order, orders.generation))
    if orders.load is not None:
        turn.do(actions.Fork(fleet.orders, orders.load, template=True))


def _taken_over(turn: Turn) -> None:
    first = turn.fleet.generation == 0
    turn.become(fleet=states.taken_over(turn.fleet))
    turn.do(Do.SAVE)
    if not first:
        turn.become(reload=replace(turn.reload, taken=True) if turn.reload else None)
        return
    # What is served beyond the settings is given up before the start is told to be over.
    announced = [] if turn.state.follows else [Do.DRAIN] if turn.state.moving else [Do.ANNOUNCE]
    turn.do(Do.SERVE, *announced)
    reloading.begin_next(turn)
