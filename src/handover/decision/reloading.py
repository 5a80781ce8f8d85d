"""A reload, from the wish to the verdict."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import replace

from handover.decision import actions, events, states
from handover.decision.actions import Log, Tell
from handover.decision.actions import Plain as Do
from handover.decision.reloads import Held, Outcome, Reload
from handover.decision.request import Client
from handover.decision.states import Phase
from handover.decision.turn import Turn

UNDER_WAY = "a reload is under way"


def ask(turn: Turn, clients: tuple[Client, ...], environment: Mapping[str, str] | None = None) -> None:
    """Begin a reload, or remember that another one is wanted once the one under way has ended. `environment`: what a start would get by
    now; whoever asks without it does not know, or knows that it is this master's."""
    if turn.state.leaving is not None:
        turn.do(*(Tell(client, {"ask": "again"}) for client in clients))
        return
    # Of several that root has told, the last is the one that holds.
    known = turn.state.environment if environment is None else environment
    turn.become(wish=(*(turn.state.wish or ()), *clients), environment=known)
    begin_next(turn)


def ask_held(turn: Turn, release: str, client: Client) -> None:
    """Load a release, one beside the present one, before it is the current one."""
    if turn.state.busy:
        turn.do(Tell(client, {"held": False, "reason": UNDER_WAY}))
        return
    path = os.path.join(os.path.dirname(turn.fleet.load.release), release)
    begin(turn, (client,), Held(client, path))
    turn.do(actions.Read(path))


def begin_next(turn: Turn) -> None:
    """Begin the reload that was asked for, unless another one or the start is under way."""
    if turn.state.wish is not None and not turn.state.busy:
        clients, environment = turn.state.wish, turn.state.environment
        turn.become(wish=None, environment=None)
        begin(turn, clients, environment=environment)
        turn.do(actions.Read(renewed=environment is not None))


def begin(turn: Turn, clients: tuple[Client, ...], held: Held | None = None, environment: Mapping[str, str] | None = None) -> None:
    """What is to be loaded is for the caller to find out."""
    reload = Reload(turn.now.time, clients, turn.fleet.load, turn.fleet.target, held=held, environment=environment)
    turn.become(reload=reload, why="")
    turn.do(Do.BEGIN)


def read(turn: Turn, told: events.Read) -> None:
    """The settings were read: a new generation, a new master, or a refusal."""
    reload = turn.reload
    if reload is None:
        return
    if told.beyond and reload.held:
        turn.become(reload=None)
        turn.do(Do.ANNOUNCE, Tell(reload.held.client, {"held": False, "reason": told.beyond}))
        begin_next(turn)
    elif told.beyond:
        need_heir(turn, told.beyond)
    elif told.refusal or told.load is None:
        turn.refusal = told.refusal
    else:
        turn.become(fleet=states.reload(turn.fleet, told.target, told.load))


def need_heir(turn: Turn, why: str) -> None:
    """This reload takes a new master, which is launched when no worker is on its way (succession.py)."""
    assert turn.reload
    turn.become(reload=replace(turn.reload, heir=why))
    turn.do(Log(logging.INFO, f"reload: replacing the master, since these changed: {why}"))


def tell_held(turn: Turn) -> None:
    """The client has so much time to move the link as its release had to load, once that is done."""
    reload, fleet = turn.reload, turn.fleet
    if reload is None or reload.held is None or fleet.incoming is None or reload.held.deadline < math.inf:
        return
    template = fleet.template(fleet.incoming)
    if fleet.load.each or (template and template.phase is Phase.SERVING):
        held = replace(reload.held, deadline=turn.now.time + fleet.load.options.load_timeout)
        turn.become(reload=replace(reload, held=held))
        turn.do(Tell(held.client, {"held": True}, held=True))


def held_by(turn: Turn, client: Client) -> bool:
    """Whether it is this client who decides on a release that is held."""
    return bool(turn.reload and turn.reload.held and turn.reload.held.client is client)


def decide(turn: Turn) -> None:
    """Whoever had a generation held has moved the link, or has not, or is gone: the link says what becomes of it."""
    assert turn.reload and turn.reload.held
    if turn.now.current == turn.reload.held.release:
        turn.become(reload=replace(turn.reload, held=None))
    else:
        give_up(turn, "trial: the release that was loaded did not become the current one")


def give_up(turn: Turn, why: str) -> None:
    """The new generation cannot be had: the settings of before hold again, as the old workers have them."""
    reload, fleet = turn.reload, turn.fleet
    assert reload
    options = reload.before.options
    target = min(max(fleet.target, options.workers_min), options.workers_max) if reload.scaled else reload.target
    turn.do(actions.Restore(reload.before.settings), *([Do.SAVE] if reload.scaled else []))
    turn.become(fleet=states.given_up(fleet, target), reload=replace(reload, held=None))
    turn.refusal = why


def conclude(turn: Turn, refusal: str) -> None:
    """The verdict, then the next reload, if it was asked for. Who hears it finds workers that stay, and no others."""
    judge(turn, refusal)
    turn.do(Do.ANNOUNCE)
    tell(turn)
    turn.do(Do.TIDY)
    begin_next(turn)


def judge(turn: Turn, refusal: str, *, replaced: bool = False) -> None:
    """The verdict, to the journal."""
    reload, fleet = turn.reload, turn.fleet
    assert reload
    seconds = turn.now.time - reload.began
    generation = fleet.newest + 1 if replaced else fleet.generation
    outcome = Outcome(not refusal, refusal, generation, round(seconds, 3), turn.now.wall, replaced)
    turn.become(outcome=outcome)
    if refusal:
        turn.do(Log(logging.ERROR, f"reload: refused after {seconds:.2f} s, the old workers serve on: {refusal}"))
    else:
        turn.do(Log(logging.INFO, f"reload: generation {generation} serves after {seconds:.2f} s"))


def tell(turn: Turn) -> None:
    """The verdict, to whoever waits for it: the reload is over."""
    reload, outcome = turn.reload, turn.state.outcome
    assert reload and outcome
    turn.do(*(Tell(client, outcome._asdict()) for client in reload.clients))
    turn.become(reload=None)
