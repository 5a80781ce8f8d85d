"""One master follows another."""

from __future__ import annotations

import logging
from dataclasses import replace

from handover.decision import actions, events, ordering, reloading, scaling
from handover.decision.actions import Log, Tell
from handover.decision.actions import Plain as Do
from handover.decision.states import Phase
from handover.decision.turn import Turn

# Seconds for which a master goes on serving an address that its successor does not, so that clients can follow.
_MOVING = 2.0


def usr2(turn: Turn) -> None:
    """A new master, whether or not anything changed."""
    if turn.state.busy:
        turn.do(Log(logging.WARNING, f"USR2 ignored: {reloading.UNDER_WAY}"))
    else:
        reloading.begin(turn, ())
        reloading.need_heir(turn, "USR2")


def launch(turn: Turn) -> None:
    """Once every worker that was asked for is there: a template's forks come to the master only while it takes orphans in."""
    reload, fleet = turn.reload, turn.fleet
    if reload and reload.heir and reload.deadline is None and not fleet.of(Phase.ORDERED):
        # Its own workers have the whole load_timeout; the master itself takes time to come up before it forks them.
        turn.become(reload=replace(reload, deadline=turn.now.time + 2 * fleet.load.options.load_timeout))
        turn.do(Do.LAUNCH)


def abandon(turn: Turn, why: str) -> None:
    """There is no successor, and there will be none."""
    turn.do(Do.ABANDON)
    turn.refusal = why


def hand_over(turn: Turn, *, moved: bool) -> None:
    """The successor serves. The next reload is its own; the target is safe with it. Who waits for this one is told when we leave."""
    reload = turn.reload
    assert reload
    turn.do(Do.HAND_OVER)
    reloading.judge(turn, "", replaced=True)
    wish = turn.state.wish
    turn.do(actions.Bequeath(events.Word(wish is not None, turn.state.outcome, turn.fleet.target if reload.scaled else None)))
    turn.do(*(Tell(client, {"ask": "again"}) for client in wish or ()))
    scaling.answer(turn)
    turn.become(wish=None, moving=moved, leaving=turn.now.time + (_MOVING if moved else 0.0))


def leave(turn: Turn) -> None:
    """End when no worker of ours accepts connections any more. The pids of those that do are known to nobody but us."""
    if turn.state.leaving is None or turn.now.time < turn.state.leaving:
        return
    if turn.state.moving:
        # At an address that is the successor's no more, who is closed upon is reset.
        turn.do(Do.DRAIN)
        return
    orders = ordering.everybody(turn.fleet)
    turn.become(fleet=ordering.ordered(turn.fleet, orders))
    turn.do(*(actions.Retire(pid) for pid in (*orders.retire, *orders.end)))
    if not turn.fleet.leaving:
        if turn.reload:
            reloading.tell(turn)
        turn.do(Do.LEAVE)


def moved(turn: Turn) -> None:
    """Nobody waits any more at an address that is not wanted; so it can be left, or a generation follows that does not know it.

    The workers of today close it when they leave, and a template that still held it would have clients wait there for nobody.
    """
    turn.become(moving=False)
    if turn.state.leaving is not None:
        return
    turn.do(Log(logging.INFO, "reload: for addresses that the settings do not name any more"), Do.DROP)
    reloading.ask(turn, ())


def heard(turn: Turn, word: events.Word) -> None:
    """The predecessor has named us to systemd, or it is gone: in both cases we speak from now on."""
    if turn.fleet.generation == 0:
        # It ended before we could serve, so the service is ending: nobody asked for us any more.
        turn.do(Do.LEAVE)
        return
    turn.become(follows=False, outcome=word.outcome)
    if word.scaled is not None:
        scaling.scale(turn, word.scaled)
    turn.do(Do.ANNOUNCE)
    if word.again:
        turn.become(wish=turn.state.wish or ())
    reloading.begin_next(turn)
