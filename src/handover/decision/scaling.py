"""How many workers are wanted, and who waits for them."""

from __future__ import annotations

import logging
from dataclasses import replace

from handover.decision.actions import Log, Tell
from handover.decision.actions import Plain as Do
from handover.decision.request import Client
from handover.decision.states import Phase
from handover.decision.turn import Turn


def scale(turn: Turn, wanted: int, client: Client | None = None) -> None:
    """So many are wanted from now on, unless the settings' bounds forbid it."""
    options = turn.fleet.load.options
    low, high = options.workers_min, options.workers_max
    if not low <= wanted <= high:
        refusal = f"scale: the bounds are {low} to {high} workers (workers_min, workers_max), got {wanted}"
        turn.do(Log(logging.WARNING, refusal), *([Tell(client, {"error": refusal})] if client else []))
        return
    if client:
        turn.become(scalers=(*turn.state.scalers, (client, turn.fleet.target)))
    turn.become(fleet=replace(turn.fleet, target=wanted), reload=replace(turn.reload, scaled=True) if turn.reload else None)
    turn.do(Do.SAVE, Log(logging.INFO, f"scale: {wanted} workers wanted"), Do.ANNOUNCE_TARGET)


def answer_when_there(turn: Turn) -> None:
    """As many serve as are wanted: who waits for that is told."""
    here = turn.fleet.of(Phase.ORDERED, Phase.BOOTING, Phase.SERVING)
    if len(here) == len(turn.fleet.of(Phase.SERVING)) == turn.fleet.target:
        answer(turn)


def answer(turn: Turn) -> None:
    """Tell all who wait."""
    for client, before in turn.state.scalers:
        turn.do(Tell(client, {"before": before, "after": turn.fleet.target}))
    turn.become(scalers=())
