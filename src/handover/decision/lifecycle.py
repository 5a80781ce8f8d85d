"""The life of a service: what a master's state becomes by each event, and what is to be done about it.

`states` decides on processes; here it meets who asked for what: reloads, releases that are held, a master that follows another one.
No process, socket or clock is in sight.
"""

from __future__ import annotations

import logging
import math
import os
from dataclasses import replace
from typing import Any

from handover.decision import actions, events, states
from handover.decision.actions import Action, Log, Tell
from handover.decision.actions import Plain as Do
from handover.decision.events import Event
from handover.decision.reloads import Held, Now, Outcome, Reload, State
from handover.decision.request import Client, Request
from handover.decision.states import Orders, Phase

# Seconds before another worker is forked when the last one could not boot: doubled with each attempt, up to the longest.
_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
# Seconds for which a master goes on serving an address that its successor does not, so that clients can follow.
_MOVING = 2.0
_UNDER_WAY = "a reload is under way"


def step(state: State, event: Event, now: Now) -> tuple[State, tuple[Action, ...]]:
    """What becomes of `state` by `event`, and what is to be done."""
    taken = _Step(state, now)
    taken.take(event)
    if not taken.result.stopping:
        taken.settle()
    return taken.result, tuple(taken.actions)


class _Step:
    """One event taken up: `result` is the state as it becomes."""

    def __init__(self, state: State, now: Now) -> None:
        self.result = state
        self.actions: list[Action] = []
        self._now = now
        # The verdict on the reload, told when the workers have their orders: who hears it finds new ones alone.
        self._verdict: str | None = None

    def _set(self, **changes: Any) -> None:
        self.result = replace(self.result, **changes)

    def _do(self, *actions: Action) -> None:
        self.actions += actions

    def take(self, event: Event) -> None:
        """The event itself; what follows from it for the processes is `settle`'s."""
        fleet = self.result.fleet
        match event:
            case events.Plain.TICK:
                self._tick()
            case events.Plain.HUP:
                self._ask_reload(())
            case events.Plain.USR2:
                self._usr2()
            case events.Plain.STOPPING:
                self._set(stopping=True)
                self._do(Do.ABANDON)
            case events.Scaled(by):
                self._scale(fleet.target + by)
            case events.Asked(request, client):
                self._asked(request, client)
            case events.Gone(client):
                if self._held_by(client):
                    self._decide()
            case events.Read():
                self._read(event)
            case events.Forked(order, pid, why):
                self._forked(order, pid, why)
            case events.Said(pid, word, why):
                self._said(pid, word, why)
            case events.Left():
                self._left(event)
            case events.Heir(moved, ""):
                self._hand_over(moved)
            case events.Heir(_, why):
                self._do(Do.ABANDON)
                self._verdict = why
            case events.Word():
                self._word(event)

    # What is asked for

    def _asked(self, request: Request, client: Client) -> None:
        state = self.result
        if request.verb == "status":
            self._do(actions.TellStatus(client))
        elif request.verb == "scale":
            self._scale(request.to if request.to is not None else state.fleet.target + (request.by or 0), client)
        elif request.verb == "reload":
            self._ask_reload((client,))
        elif request.verb == "hold" and state.busy:
            self._do(Tell(client, {"held": False, "reason": _UNDER_WAY}))
        elif request.verb == "hold":
            release = os.path.join(os.path.dirname(state.fleet.load.release), request.release)
            self._begin((client,), held=Held(client, release))
            self._do(actions.Read(release))
        elif self._held_by(client):
            self._decide()
        else:
            self._do(Tell(client, {"error": "switched: nothing is held for this client"}))

    def _ask_reload(self, clients: tuple[Client, ...]) -> None:
        """Begin a reload, or remember that another one is wanted once the one under way has ended."""
        if self.result.leaving is not None:
            self._do(*(Tell(client, {"ask": "again"}) for client in clients))
            return
        self._set(wish=(*(self.result.wish or ()), *clients))
        self._next()

    def _usr2(self) -> None:
        """A new master, whether or not anything changed."""
        if self.result.busy:
            self._do(Log(logging.WARNING, f"USR2 ignored: {_UNDER_WAY}"))
        else:
            self._begin(())
            self._replace("USR2")

    def _scale(self, wanted: int, client: Client | None = None) -> None:
        fleet, load = self.result.fleet, self.result.fleet.load
        low, high = load.options.workers_min, load.options.workers_max
        if not low <= wanted <= high:
            refusal = f"scale: the bounds are {low} to {high} workers (workers_min, workers_max), got {wanted}"
            self._do(Log(logging.WARNING, refusal), *([Tell(client, {"error": refusal})] if client else []))
            return
        reload = self.result.reload
        self._set(fleet=replace(fleet, target=wanted), reload=replace(reload, scaled=True) if reload else None)
        self._do(Do.SAVE, Log(logging.INFO, f"scale: {wanted} workers wanted"), Do.ANNOUNCE_TARGET)
        if client:
            self._set(scalers=(*self.result.scalers, (client, fleet.target)))

    # A reload, from the wish to the verdict

    def _next(self) -> None:
        """Begin the reload that was asked for, unless another one or the start is under way."""
        if self.result.wish is not None and not self.result.busy:
            clients = self.result.wish
            self._set(wish=None)
            self._begin(clients)
            self._do(actions.Read())

    def _begin(self, clients: tuple[Client, ...], held: Held | None = None) -> None:
        fleet = self.result.fleet
        self._set(reload=Reload(self._now.time, clients, fleet.load, fleet.target, held=held), why="")
        self._do(Do.BEGIN)

    def _read(self, read: events.Read) -> None:
        reload = self.result.reload
        if reload is None:
            return
        if read.beyond and reload.held:
            self._set(reload=None)
            self._do(Do.ANNOUNCE, Tell(reload.held.client, {"held": False, "reason": read.beyond}))
            self._next()
        elif read.beyond:
            self._replace(read.beyond)
        elif read.refusal or read.load is None:
            self._verdict = read.refusal
        else:
            self._set(fleet=states.reload(self.result.fleet, read.target, read.load))

    def _held_by(self, client: Client) -> bool:
        reload = self.result.reload
        return bool(reload and reload.held and reload.held.client is client)

    def _decide(self) -> None:
        """Whoever had a generation held has moved the link, or has not, or is gone: the link says what becomes of it."""
        reload = self.result.reload
        assert reload and reload.held
        if self._now.current == reload.held.release:
            self._set(reload=replace(reload, held=None))
        else:
            self._give_up("trial: the release that was loaded did not become the current one")

    def _give_up(self, why: str) -> None:
        """The new generation cannot be had: the settings of before hold again, as the old workers have them."""
        reload, fleet = self.result.reload, self.result.fleet
        assert reload
        options = reload.before.options
        target = min(max(fleet.target, options.workers_min), options.workers_max) if reload.scaled else reload.target
        self._do(actions.Restore(reload.before.settings), *([Do.SAVE] if reload.scaled else []))
        self._set(fleet=states.given_up(fleet, target))
        self._verdict = why

    def _conclude(self, refusal: str, *, replaced: bool = False) -> None:
        """The verdict: to the journal, to systemd, to whoever waits for it. Then the next one, if it was asked for."""
        reload, fleet = self.result.reload, self.result.fleet
        assert reload
        seconds = self._now.time - reload.began
        generation = fleet.newest + 1 if replaced else fleet.generation
        outcome = Outcome(not refusal, refusal, generation, round(seconds, 3), self._now.wall, replaced)
        self._set(reload=None, outcome=outcome)
        if refusal:
            self._do(Log(logging.ERROR, f"reload: refused after {seconds:.2f} s, the old workers serve on: {refusal}"))
        else:
            self._do(Log(logging.INFO, f"reload: generation {generation} serves after {seconds:.2f} s"))
        self._do(Do.ANNOUNCE, *(Tell(client, outcome._asdict()) for client in reload.clients))
        if not replaced:
            self._do(Do.TIDY)
            self._next()

    # One master follows another

    def _replace(self, why: str) -> None:
        assert self.result.reload
        self._set(reload=replace(self.result.reload, heir=why))
        self._do(Log(logging.INFO, f"reload: replacing the master, since these changed: {why}"))

    def _hand_over(self, moved: bool) -> None:
        reload = self.result.reload
        assert reload
        self._do(Do.HAND_OVER)
        self._conclude("", replaced=True)
        target = self.result.fleet.target if reload.scaled else None
        wish = self.result.wish
        self._do(actions.Bequeath(events.Word(wish is not None, self.result.outcome, target)))
        # The next reload is the successor's, and so is its verdict; the target is safe with it.
        self._do(*(Tell(client, {"ask": "again"}) for client in wish or ()))
        self._answer_scalers()
        self._set(wish=None, leaving=self._now.time + (_MOVING if moved else 0.0))

    def _word(self, word: events.Word) -> None:
        """The predecessor has named us to systemd, or it is gone: in both cases we speak from now on."""
        if self.result.fleet.generation == 0:
            # It ended before we could serve, so the service is ending: nobody asked for us any more.
            self._do(Do.LEAVE)
            return
        self._set(follows=False, outcome=word.outcome)
        if word.scaled is not None:
            self._scale(word.scaled)
        self._do(Do.ANNOUNCE)
        if word.again:
            self._set(wish=self.result.wish or ())
        self._next()

    def _tick(self) -> None:
        """A client that is silent for too long is as one that has gone; a successor that takes too long is none."""
        state = self.result
        if state.leaving is not None and self._now.time >= state.leaving:
            self._do(Do.LEAVE)
        elif state.reload and state.reload.held and self._now.time > state.reload.held.deadline:
            self._decide()
        elif state.reload and state.reload.deadline is not None and self._now.time > state.reload.deadline:
            self._do(Do.ABANDON)
            self._verdict = "the new master could not serve in time"

    # Processes

    def _forked(self, order: int, pid: int, why: str) -> None:
        fleet = self.result.fleet
        if not pid:
            self._set(fleet=states.unforked(fleet, order), why=f"no worker could be forked: {why}", rest=self._now.time + 4 * _PAUSE)
            self._do(Log(logging.ERROR, self.result.why))
            return
        self._set(fleet=states.forked(fleet, order, pid))
        # Nobody may want it any more.
        if self.result.fleet == fleet or self.result.stopping:
            self._do(actions.Retire(pid))

    def _said(self, pid: int, word: str, why: str) -> None:
        fleet = self.result.fleet
        if word == "unshared":
            self._set(fleet=states.unshared(fleet, pid, why))
            self._do(Log(logging.WARNING, f"each worker loads the application by itself: {why}"))
        elif word == "ready" and pid in {member.pid for member in (*fleet.members, *fleet.templates)}:
            self._set(fleet=states.ready(fleet, pid))
        elif word == "ready":
            self._do(actions.Retire(pid))

    def _left(self, left: events.Left) -> None:
        fleet = self.result.fleet
        if any(member.pid == left.pid and member.phase is Phase.BOOTING for member in fleet.members):
            self._set(why=f"worker {left.pid} {left.reason or left.how}")
        elif any(member.pid == left.pid for member in fleet.templates):
            self._set(why=left.reason or f"template {left.pid} {left.how}")
        fleet = states.left(fleet, left.pid, by_signal=left.by_signal and not left.reason)
        self._set(fleet=fleet)
        if fleet.incoming is None and fleet.crashes:
            self._set(rest=self._now.time + min(_PAUSE * 2 ** min(fleet.crashes, 10), _LONGEST_PAUSE))

    def settle(self) -> None:
        """Give the orders that the fleet's state asks for, until it asks for nothing more."""
        while True:
            fleet = self.result.fleet
            if states.complete(fleet):
                self._taken_over()
            elif states.failed(fleet) and fleet.generation == 0:
                self._do(Do.HALT)
                return
            elif states.failed(fleet):
                self._give_up(self.result.why)
            orders = self._possible(states.settle(self.result.fleet))
            if not (orders.spawn or orders.retire or orders.end or orders.load is not None):
                break
            self._order(orders)
        if self._verdict is not None:
            self._conclude(self._verdict)
        self._launch()
        self._tell_held()
        fleet = self.result.fleet
        here = fleet.of(Phase.ORDERED, Phase.BOOTING, Phase.SERVING)
        if len(here) == len(fleet.of(Phase.SERVING)) == fleet.target:
            self._answer_scalers()

    def _possible(self, orders: Orders) -> Orders:
        """No process is forked while it would be too early, or while a successor is to be launched: it must not become the successor's; and
        no worker of a release that is held."""
        reload = self.result.reload
        if reload and reload.held:
            orders = orders._replace(spawn=0)
        if self._now.time < self.result.rest or (reload and reload.heir and reload.deadline is None):
            return orders._replace(spawn=0, load=None)
        return orders

    def _order(self, orders: Orders) -> None:
        before = self.result.fleet
        fleet = states.ordered(before, orders)
        self._set(fleet=fleet)
        self._do(*(actions.Retire(pid) for pid in (*orders.retire, *orders.end)))
        template = fleet.template(orders.generation)
        for order in range(before.orders + 1, before.orders + orders.spawn + 1):
            self._do(actions.Order(template.pid, order) if template and not fleet.load.each else actions.Fork(order, orders.generation))
        if orders.load is not None:
            self._do(actions.Fork(fleet.orders, orders.load, template=True))

    def _taken_over(self) -> None:
        first = self.result.fleet.generation == 0
        fleet = states.taken_over(self.result.fleet)
        self._set(fleet=fleet)
        self._do(Do.SAVE)
        if not first:
            self._verdict = ""
            return
        self._do(Do.SERVE, *([] if self.result.follows else [Do.ANNOUNCE]))
        self._next()

    def _launch(self) -> None:
        """Once every worker that was asked for is there: a template's forks come to the master only while it takes orphans in."""
        reload, fleet = self.result.reload, self.result.fleet
        if reload and reload.heir and reload.deadline is None and not fleet.of(Phase.ORDERED):
            # Its own workers have the whole load_timeout; the master itself takes time to come up before it forks them.
            self._set(reload=replace(reload, deadline=self._now.time + 2 * fleet.load.options.load_timeout))
            self._do(Do.LAUNCH)

    def _tell_held(self) -> None:
        """The client has so much time to move the link as its release had to load, once that is done."""
        reload, fleet = self.result.reload, self.result.fleet
        if reload is None or reload.held is None or fleet.incoming is None or reload.held.deadline < math.inf:
            return
        template = fleet.template(fleet.incoming)
        if fleet.load.each or (template and template.phase is Phase.SERVING):
            held = replace(reload.held, deadline=self._now.time + fleet.load.options.load_timeout)
            self._set(reload=replace(reload, held=held))
            self._do(Tell(held.client, {"held": True}, held=True))

    def _answer_scalers(self) -> None:
        for client, before in self.result.scalers:
            self._do(Tell(client, {"before": before, "after": self.result.fleet.target}))
        self._set(scalers=())
