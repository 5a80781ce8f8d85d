"""The life of a service: what a master's state becomes by each event, and what is to be done about it.

`states` decides on processes; the other modules here on who asked for what: reloads, releases that are held, a master that follows another
one. No process, socket or clock is in sight.
"""

from __future__ import annotations

import logging

from handover.decision import actions, events, processes, reloading, scaling, succession
from handover.decision.actions import Action, Log, Tell
from handover.decision.actions import Plain as Do
from handover.decision.events import Event
from handover.decision.reloads import Now, State
from handover.decision.request import Client, Request
from handover.decision.turn import Turn

# Nobody who is root stands behind a signal, to say what the service would be started with by now.
BY_SIGNAL = "reload by HUP: code and settings files are taken up, and no change of the unit's environment or credentials"


def step(state: State, event: Event, now: Now) -> tuple[State, tuple[Action, ...]]:
    """What becomes of `state` by `event`, and what is to be done."""
    turn = Turn(state, now)
    _take(turn, event)
    if not turn.state.stopping:
        processes.settle(turn)
    return turn.state, tuple(turn.actions)


def _take(turn: Turn, event: Event) -> None:
    """The event itself; what follows from it for the processes is `processes.settle`'s."""
    match event:
        case events.Plain.TICK:
            _tick(turn)
        case events.Plain.HUP:
            reloading.ask(turn, ())
            turn.do(Log(logging.INFO, BY_SIGNAL))
        case events.Plain.USR2:
            succession.usr2(turn)
        case events.Plain.DRAINED:
            succession.moved(turn)
        case events.Plain.STOPPING:
            turn.become(stopping=True)
            turn.do(Do.ABANDON)
        case events.Scaled(by):
            scaling.scale(turn, turn.fleet.target + by)
        case events.Asked(request, client):
            _asked(turn, request, client)
        case events.Gone(client):
            if reloading.held_by(turn, client):
                reloading.decide(turn)
        case events.Read():
            reloading.read(turn, event)
        case events.Forked(order, pid, why):
            processes.forked(turn, order, pid, why)
        case events.Said(pid, word, why):
            processes.said(turn, pid, word, why)
        case events.Left():
            processes.left(turn, event)
        case events.Heir(moved, ""):
            succession.hand_over(turn, moved=moved)
        case events.Heir(_, why):
            succession.abandon(turn, why)
        case events.Word():
            succession.heard(turn, event)


def _asked(turn: Turn, request: Request, client: Client) -> None:
    match request.verb:
        case "status":
            turn.do(actions.TellStatus(client))
        case "scale":
            scaling.scale(turn, request.to if request.to is not None else turn.fleet.target + (request.by or 0), client)
        case "reload":
            reloading.ask(turn, (client,), request.environment)
        case "hold":
            reloading.ask_held(turn, request.release, client)
        case _ if reloading.held_by(turn, client):
            reloading.decide(turn)
        case _:
            turn.do(Tell(client, {"error": "switched: nothing is held for this client"}))


def _tick(turn: Turn) -> None:
    """A client that is silent for too long is as one that has gone; a successor that takes too long is none."""
    state, reload, time = turn.state, turn.reload, turn.now.time
    if state.leaving is not None:
        return
    if state.moving and not state.busy:
        turn.do(Do.DRAIN)
    elif reload and reload.held and time > reload.held.deadline:
        reloading.decide(turn)
    elif reload and reload.deadline is not None and time > reload.deadline:
        succession.abandon(turn, "the new master could not serve in time")
