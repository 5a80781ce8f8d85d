"""The life of a service, apart from processes: a model of its world, tried out in every order that hypothesis finds."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from handover.decision import actions, events, lifecycle, states
from handover.decision.actions import Plain as Do
from handover.decision.reloads import Now, State
from handover.decision.request import Client, Request
from handover.decision.states import Fleet, Load, Phase
from handover.settings.options import Options

RELEASES = "/r"


def load_of(release: str, *, each: str = "", one_by_one: bool = False, workers: int = 2) -> Load:
    options = Options(workers_max=5, load_timeout=10, one_by_one=one_by_one)
    return Load(f"{RELEASES}/{release}", object(), options, workers, each)


def beginning(load: Load, target: int, *, follows: bool = False) -> State:
    return State(states.reload(Fleet(target), target, load), follows=follows)


class World(RuleBasedStateMachine):
    """What surrounds a master: processes, clients, the link, another master. Each action is done as master.py does it."""

    @initialize(wanted=st.integers(1, 4), each=st.sampled_from(["", "says so"]), moving=st.booleans())
    def start(self, wanted: int, each: str, moving: bool) -> None:
        self.moving, self.crowded = moving, False
        self.time, self.pids, self.link = 0.0, 0, f"{RELEASES}/1"
        self.begin(wanted, load_of("1", each=each))

    def begin(self, target: int, load: Load) -> None:
        """A master starts; what the one before had asked for is over."""
        self.state = replace(beginning(load, target), moving=self.moving)
        self.force = load
        self.kinds: dict[int, tuple[int, int, bool]] = {}
        self.ready: set[int] = set()
        self.retiring: set[int] = set()
        self.orders: dict[int, list[int]] = {}
        self.launched = False
        self.exhausted = False
        self.clients: dict[object, int] = {}
        self.next_read: events.Read = events.Read(load_of("1"), 2)
        self.over = False
        self.happen(events.Plain.TICK)

    def happen(self, event: events.Event) -> None:
        queue = [event]
        while queue and not self.over:
            before = self.state
            self.state, todo = lifecycle.step(self.state, queue.pop(0), Now(self.time, 1e9 + self.time, self.link))
            self.judge(before, todo)
            for action in todo:
                queue += self.carry_out(action)

    def carry_out(self, action: actions.Action) -> list[events.Event]:
        match action:
            case actions.Fork(order, generation, template):
                if self.exhausted:
                    return [events.Forked(order, 0, "no room")]
                return [events.Forked(order, self.born(order, generation, template))]
            case actions.Order(template, order):
                assert template in self.ready and template not in self.retiring, "who is asked can be asked"
                self.orders[template].append(order)
            case actions.Retire(pid):
                self.retiring.add(pid)
            case actions.Read(_, True):
                # A new master reads them, if this one can be followed by one.
                return [events.Read(refusal="no") if self.next_read.refusal else events.Read(beyond="environment")]
            case actions.Read(held):
                read = self.next_read
                if read.load:
                    self.force = replace(read.load, release=held or self.link)
                    read = read._replace(load=self.force)
                return [read]
            case actions.Restore(settings_):
                force = self.state.fleet.load
                assert force.settings is settings_, "what is restored is what the fleet has loaded"
                self.force = force
            case Do.LAUNCH:
                able = [asked for template, asked in self.orders.items() if asked and template not in self.retiring]
                assert not able, "no template forks while orphans are nobody's"
                self.launched = True
            case Do.ABANDON:
                self.launched = False
            case actions.Tell(client, word, held):
                assert self.clients[client] == 0, "nobody is answered twice"
                assert not word.get("good") or not self.state.fleet.leaving, "who hears that all is well finds no old worker"
                self.clients[client] += not held
            case Do.DRAIN:
                assert self.state.moving
                return [] if self.crowded else [events.Plain.DRAINED]
            case Do.DROP:
                assert self.state.wish is not None or self.state.reload, "nobody new would know what was given up"
            case Do.HALT | Do.LEAVE:
                self.over = True
        return []

    def born(self, order: int, generation: int, template: bool) -> int:
        self.pids += 1
        self.kinds[self.pids] = (order, generation, template)
        if template:
            self.orders[self.pids] = []
        return self.pids

    def judge(self, before: State, todo: tuple[actions.Action, ...]) -> None:
        """Whatever happens: nobody leaves before their place is taken, and nothing of a wrong generation is asked for."""
        if self.state.leaving is not None:
            # Another master's workers serve.
            return
        fleet = before.fleet
        told = {action.pid for action in todo if isinstance(action, actions.Retire)}
        serving = {m.pid for m in fleet.of(Phase.SERVING)}
        known = {m.pid for m in self.state.fleet.of(Phase.SERVING)}
        assert len(known) >= min(len(serving), self.state.fleet.target, fleet.target) or not told & serving, "one leaves too early"
        if fleet.incoming is not None and self.state.fleet.incoming == fleet.incoming and not fleet.one_by_one:
            old = {m.pid for m in fleet.members if m.generation == fleet.generation}
            assert not old & told, "the old generation leaves before the new one is complete"
        possible = (self.state.fleet.generation, self.state.fleet.incoming, fleet.incoming)
        assert all(action.generation in possible for action in todo if isinstance(action, actions.Fork))

    def client(self) -> Any:
        client = object()
        self.clients[client] = 0
        return client

    def end(self, pid: int, *, by_signal: bool, reason: str = "") -> None:
        _, _, template = self.kinds.pop(pid)
        if template:
            self.orders.pop(pid)
        for those in (self.ready, self.retiring):
            those.discard(pid)
        self.happen(events.Left(pid, "ended", by_signal, reason))

    def restart(self) -> None:
        """systemd starts another master when one has ended."""
        if self.over:
            self.begin(2, load_of("1"))

    # What people do

    @rule(read=st.sampled_from(["good", "each", "gradual", "refused", "beyond"]), wanted=st.integers(1, 4))
    def settings_change(self, read: str, wanted: int) -> None:
        """The next reload will read these."""
        load = load_of("1", each="says so" if read == "each" else "", one_by_one=read == "gradual")
        plain = {"refused": events.Read(refusal="no"), "beyond": events.Read(beyond="gevent")}
        self.next_read = plain.get(read, events.Read(load, wanted))

    @rule()
    def hup(self) -> None:
        self.happen(events.Plain.HUP)

    @rule()
    def usr2(self) -> None:
        self.happen(events.Plain.USR2)

    @rule(by=st.integers(-2, 2))
    def ttin(self, by: int) -> None:
        self.happen(events.Scaled(by))
        self.restart()

    @rule(verb=st.sampled_from(["reload", "scale", "hold", "switched"]), number=st.integers(0, 6))
    def asked(self, verb: str, number: int) -> None:
        request = Request(verb, to=number if verb == "scale" else None, release=str(number) if verb == "hold" else "")
        self.happen(events.Asked(request, self.client()))
        self.restart()

    @rule()
    def told(self) -> None:
        """What a start would get is another environment by now."""
        self.happen(events.Asked(Request("reload", environment={"A": "1"}), self.client()))
        self.restart()

    @precondition(lambda self: self.state.reload and self.state.reload.held)
    @rule(moves=st.booleans(), how=st.sampled_from(["says", "goes", "waits"]))
    def decided(self, moves: bool, how: str) -> None:
        """Whoever had a release held moves the link or does not, and says so, goes, or is silent for too long."""
        held = self.state.reload and self.state.reload.held
        assert held
        if moves:
            self.link = held.release
        if how == "says":
            self.happen(events.Asked(Request("switched"), held.client))
        elif how == "goes":
            self.happen(events.Gone(held.client))
        else:
            self.time += 11
            self.happen(events.Plain.TICK)
        self.restart()

    # What processes do

    @precondition(lambda self: any(self.orders.values()))
    @rule(data=st.data(), forks=st.booleans())
    def template_forks(self, data: st.DataObject, forks: bool) -> None:
        template = data.draw(st.sampled_from([pid for pid, asked in self.orders.items() if asked]))
        order = self.orders[template].pop(0)
        _, generation, _ = self.kinds[template]
        if not forks:
            self.happen(events.Forked(order, 0, "no room"))
        else:
            self.happen(events.Forked(order, self.born(order, generation, False)))
        self.restart()

    def young(self, *, template: bool | None = None) -> list[int]:
        """Those that have not said yet that they are ready."""
        return [p for p, (_, _, t) in self.kinds.items() if p not in self.ready | self.retiring and template in (None, t)]

    @precondition(lambda self: self.young())
    @rule(data=st.data())
    def gets_ready(self, data: st.DataObject) -> None:
        pid = data.draw(st.sampled_from(self.young()))
        self.ready.add(pid)
        self.happen(events.Said(pid, "ready"))

    @precondition(lambda self: self.ready | self.retiring)
    @rule(data=st.data())
    def accepts_no_more(self, data: st.DataObject) -> None:
        """A worker that was told to, or one that has answered as many requests as it is for."""
        pid = data.draw(st.sampled_from(sorted(self.ready | self.retiring)))
        if pid in self.kinds and not self.kinds[pid][2]:
            self.retiring.add(pid)
            self.happen(events.Said(pid, "closed"))

    @precondition(lambda self: self.young(template=True))
    @rule(data=st.data())
    def cannot_be_shared(self, data: st.DataObject) -> None:
        pid = data.draw(st.sampled_from(self.young(template=True)))
        self.happen(events.Said(pid, "unshared", "it opened a file"))
        self.end(pid, by_signal=False)

    @precondition(lambda self: self.kinds)
    @rule(data=st.data(), by_signal=st.booleans())
    def dies(self, data: st.DataObject, by_signal: bool) -> None:
        pid = data.draw(st.sampled_from(sorted(self.kinds)))
        before = self.state.fleet
        booting = {m.pid for m in (*before.members, *before.templates) if m.phase is Phase.BOOTING and m.generation == before.incoming}
        self.end(pid, by_signal=by_signal)
        if pid in booting and not by_signal and not self.over:
            assert self.state.fleet.incoming != before.incoming, "one that cannot boot condemns its generation"
        self.restart()

    @rule(crowded=st.booleans())
    def crowd(self, crowded: bool) -> None:
        """Somebody may wait for a while at an address that is to be given up."""
        self.crowded = crowded

    @rule(exhausted=st.booleans())
    def room(self, exhausted: bool) -> None:
        """A host may be unable to fork for a while."""
        self.exhausted = exhausted

    @precondition(lambda self: self.launched and self.state.reload)
    @rule(good=st.booleans())
    def heir(self, good: bool) -> None:
        self.happen(events.Heir() if good else events.Heir(why="no luck"))
        if good:
            assert self.state.leaving is not None
            self.time += 3
            self.happen(events.Plain.TICK)
            for number, pid in enumerate(sorted(self.retiring & self.kinds.keys())):
                if number % 2:
                    self.end(pid, by_signal=True)
                else:
                    self.happen(events.Said(pid, "closed"))
            assert self.over and all(self.clients[client] for client in self.clients), "who waits is told before the master leaves"
        self.restart()

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.time += seconds
        self.happen(events.Plain.TICK)
        self.restart()

    # What has to hold

    @rule()
    def peace(self) -> None:
        """Left alone, everything comes to its end: as many serve as are wanted, of one generation, all who asked are answered."""
        # This is a look ahead: the world is as it was afterwards.
        kept = {name: value.copy() if isinstance(value, dict | set) else value for name, value in vars(self).items() if name[0] != "_"}
        kept["orders"] = {pid: list(asked) for pid, asked in self.orders.items()}
        self.exhausted = self.crowded = False
        if self.next_read.beyond:
            self.next_read = events.Read(load_of("1"), 2)
        for _ in range(60):
            self.time += 11
            self.happen(events.Plain.TICK)
            for pid in sorted(self.retiring & self.kinds.keys()):
                self.end(pid, by_signal=False)
            for template in list(self.orders):
                while self.orders.get(template):
                    order = self.orders[template].pop(0)
                    self.happen(events.Forked(order, self.born(order, self.kinds[template][1], False)))
            for pid in self.young():
                if pid in self.kinds and pid not in self.retiring:
                    self.ready.add(pid)
                    self.happen(events.Said(pid, "ready"))
            if self.launched:
                self.launched = False
                self.happen(events.Heir(why="no luck"))
            if self.over:
                break
        if not self.over:
            fleet = self.state.fleet
            assert self.state.reload is None and self.state.wish is None and not self.state.moving and fleet.incoming is None
            assert {m.generation for m in fleet.members} == {fleet.generation} and not fleet.of(Phase.ORDERED)
            assert len(fleet.of(Phase.SERVING)) == fleet.target == len(fleet.members)
            assert [t.generation for t in fleet.templates] == ([] if fleet.load.each else [fleet.generation])
            assert all(self.clients.values()), "everybody is answered"
        for name, value in kept.items():
            setattr(self, name, value)

    @invariant()
    def settings_in_force(self) -> None:
        """They are those of the generation on its way, else of the one that serves; and what is held has no workers."""
        if hasattr(self, "state") and not self.over:
            assert self.force.settings is self.state.fleet.load.settings
            if self.state.reload and self.state.reload.held:
                assert not self.state.fleet.of(*Phase, generation=self.state.fleet.incoming)

    @invariant()
    def at_rest(self) -> None:
        """Orders that were given are not given again."""
        if hasattr(self, "state") and not self.over:
            _, todo = lifecycle.step(self.state, events.Plain.TICK, Now(self.time, 0.0, self.link))
            assert not [action for action in todo if not isinstance(action, Do)], todo


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
NOW = Now(100.0, 1e9, f"{RELEASES}/1")


def after(state: State, *happened: events.Event, now: Now = NOW) -> tuple[State, list[actions.Action]]:
    """The state after these events, and all that was to be done."""
    done: list[actions.Action] = []
    for event in happened:
        state, todo = lifecycle.step(state, event, now)
        done += todo
    return state, done


def serving(*, target: int = 2, follows: bool = False) -> State:
    """A master in steady state: its template is process 1, its workers are 2, 3 and so on."""
    state, _ = after(beginning(load_of("1"), target, follows=follows), events.Plain.TICK, events.Forked(1, 1), events.Said(1, "ready"))
    for number in range(2, target + 2):
        state, _ = after(state, events.Forked(number, number), events.Said(number, "ready"))
    return state


def test_a_generation_loads_once() -> None:
    """One template, and as many workers asked of it as are wanted; of the next generation likewise."""
    _, done = after(beginning(load_of("1"), 2), events.Plain.TICK, events.Forked(1, 7), events.Said(7, "ready"))
    assert done == [actions.Fork(1, 1, template=True), actions.Order(7, 2), actions.Order(7, 3)]
    _, done = after(serving(), events.Plain.HUP, events.Read(load_of("2"), 2), events.Forked(4, 9), events.Said(9, "ready"))
    assert [action for action in done if isinstance(action, actions.Fork | actions.Order | actions.Retire)] == [
        actions.Fork(4, 2, template=True),
        actions.Order(9, 5),
        actions.Order(9, 6),
    ]


def test_a_template_that_died_is_made_anew_after_a_pause() -> None:
    """From what its generation was loaded with, and never in a hot loop."""
    state, done = after(serving(), events.Left(1, "was ended by SIGKILL", by_signal=True))
    assert not [action for action in done if isinstance(action, actions.Fork)]
    state, done = after(state, events.Plain.TICK, now=NOW._replace(time=NOW.time + 1))
    assert done == [actions.Fork(4, 1, template=True)] and state.fleet.load.release == f"{RELEASES}/1"


def test_a_worker_that_died_is_forked_at_once() -> None:
    """From the template that there is."""
    _, done = after(serving(), events.Left(2, "was ended by SIGKILL", by_signal=True))
    assert done == [actions.Order(1, 4)]


def test_what_cannot_be_shared_is_loaded_by_each() -> None:
    """The generation is the same; the reason is in the log, and kept."""
    state, done = after(
        beginning(load_of("1"), 2), events.Plain.TICK, events.Forked(1, 7), events.Said(7, "unshared", "it opened a socket")
    )
    assert done[2:] == [actions.Fork(2, 1), actions.Fork(3, 1)] and state.fleet.load.each == "it opened a socket"
    assert isinstance(done[1], actions.Log) and done[1].level == logging.WARNING and "it opened a socket" in done[1].text


def test_a_target_that_was_scaled_survives_a_refused_reload() -> None:
    """And one that only the refused settings would have had does not."""
    for scaled, expected in (((), 2), ((events.Scaled(1),), 5)):
        state, _ = after(serving(), events.Plain.HUP, events.Read(load_of("2"), 4), *scaled, events.Forked(4, 9))
        state, done = after(state, events.Left(9, "exited with status 1", reason="no luck"))
        assert state.fleet.target == expected and state.outcome and state.outcome.reason == "no luck"
        assert (Do.SAVE in done) == bool(scaled)


def test_no_worker_is_asked_for_while_a_successor_is_launched() -> None:
    """A worker that was asked for is waited for, and the next one has to wait."""
    state, done = after(serving(), events.Scaled(1), events.Plain.USR2, events.Scaled(1))
    assert Do.LAUNCH not in done and done.count(actions.Order(1, 4)) == 1 and actions.Order(1, 5) not in done
    state, done = after(state, events.Forked(4, 8))
    assert done == [Do.LAUNCH]
    assert after(state, events.Plain.TICK)[1] == [actions.Order(1, 5)]


def test_a_start_gives_up_what_the_settings_do_not_name() -> None:
    """Its first generation serves who waits there; the next one, which comes at once then, does not know it, and the start is over."""
    begun = replace(beginning(load_of("1"), 1), moving=True)
    state, done = after(
        begun, events.Plain.TICK, events.Forked(1, 1), events.Said(1, "ready"), events.Forked(2, 2), events.Said(2, "ready")
    )
    assert [action for action in done if isinstance(action, Do)] == [Do.SAVE, Do.SERVE, Do.DRAIN]
    state, done = after(state, events.Plain.TICK, events.Plain.TICK)
    assert done == [Do.DRAIN, Do.DRAIN]
    state, done = after(state, events.Plain.DRAINED)
    assert [action for action in done if not isinstance(action, actions.Log)] == [Do.DROP, Do.BEGIN, actions.Read()] and not state.moving
    _, done = after(state, events.Read(refusal="no"))
    assert Do.ANNOUNCE in done, "whatever becomes of it"


def test_a_successor_has_the_wish_and_the_target() -> None:
    """It is told to reload once more, and how many workers somebody wanted meanwhile; who asked is told to ask again."""
    client: Any = object()
    state, _ = after(serving(), events.Plain.USR2, events.Scaled(1), events.Asked(Request("reload"), client))
    state, done = after(state, events.Forked(4, 4), events.Heir())
    (bequeathed,) = [action.word for action in done if isinstance(action, actions.Bequeath)]
    assert bequeathed.again and bequeathed.scaled == 3 and bequeathed.outcome and bequeathed.outcome.replaced
    assert actions.Tell(client, {"ask": "again"}) in done and Do.LEAVE not in after(state, events.Plain.TICK)[1]
    assert Do.LEAVE in after(state, *(events.Said(pid, "closed") for pid in (2, 3, 4)))[1]


def test_who_asks_a_master_that_leaves_asks_its_successor() -> None:
    """It is there already, and listens at the same place."""
    client: Any = object()
    state, _ = after(serving(), events.Plain.USR2, events.Heir(moved=True))
    assert state.leaving == NOW.time + 2 and after(state, events.Asked(Request("reload"), client))[1] == [
        actions.Tell(client, {"ask": "again"})
    ]


def test_nobody_waits_at_an_address_that_is_closed() -> None:
    """A master leaves an address to nobody: its workers serve there until no connection waits to be accepted, and only then go."""
    state, _ = after(serving(), events.Plain.USR2, events.Heir(moved=True))
    late = NOW._replace(time=NOW.time + 3)
    state, asked = lifecycle.step(state, events.Plain.TICK, late)
    assert asked == (Do.DRAIN,)
    _, done = lifecycle.step(state, events.Plain.DRAINED, late)
    assert actions.Retire(2) in done and Do.DRAIN not in done


def test_what_was_asked_of_a_template_that_ends_is_not_waited_for() -> None:
    """A worker of the old generation that was not there yet when the new one took over is not wanted any more."""
    state, _ = after(
        serving(), events.Scaled(1), events.Plain.HUP, events.Read(load_of("2"), 2), events.Forked(5, 9), events.Said(9, "ready")
    )
    state, done = after(state, *(event for n in (6, 7) for event in (events.Forked(n, n + 4), events.Said(n + 4, "ready"))))
    assert actions.Retire(1) in done and state.fleet.generation == 2 and not state.fleet.of(Phase.ORDERED)


def test_who_follows_speaks_when_its_predecessor_has_spoken() -> None:
    """Not before; and ends when that one ended before it could serve."""
    state = serving(follows=True)
    assert Do.ANNOUNCE not in after(state, events.Plain.HUP)[1]
    state, done = after(state, events.Word(again=True, scaled=3))
    assert state.fleet.target == 3 and Do.ANNOUNCE in done and actions.Read() in done
    assert after(beginning(load_of("1"), 2, follows=True), events.Word())[1][0] is Do.LEAVE


def test_a_stop_ends_what_comes_late() -> None:
    """Nothing is forked any more, and what a template had forked already is told to leave."""
    _, done = after(serving(), events.Scaled(1), events.Plain.STOPPING, events.Forked(4, 8), events.Left(2, "exited"))
    assert actions.Retire(8) in done and actions.Order(1, 5) not in done


@pytest.mark.parametrize("event", [events.Said(99, "ready"), events.Forked(77, 99)])
def test_a_process_that_nobody_asked_for_is_sent_away(event: events.Event) -> None:
    """What was asked for may come when it is not wanted any more."""
    assert after(serving(), event)[1] == [actions.Retire(99)]


def test_another_environment_takes_a_new_master() -> None:
    """Whoever has told of it last is believed; it is asked whether a new master could start, and the old one's settings are not read."""
    client, other = cast(Client, object()), cast(Client, object())
    asked = events.Asked(Request("reload", environment={"A": "1"}), client)
    state, done = after(serving(), asked)
    assert actions.Read(renewed=True) in done
    assert state.reload and state.reload.environment == {"A": "1"}
    state, done = after(state, events.Read(beyond="environment"))
    assert done[-1] is actions.Plain.LAUNCH
    # Of those that wait meanwhile, one who knows of no change takes nothing back.
    again = events.Asked(Request("reload", environment={"A": "2"}), other)
    state, _ = after(state, again, events.Asked(Request("reload"), client), events.Plain.HUP)
    state, done = after(state, events.Heir(why="it could not"))
    assert state.reload and state.reload.environment == {"A": "2"} and actions.Read(renewed=True) in done


def test_a_signal_says_what_it_does_not_take_up() -> None:
    """A reload that a client asked for needs no such line."""
    assert actions.Log(logging.INFO, lifecycle.BY_SIGNAL) in after(serving(), events.Plain.HUP)[1]
    asked = events.Asked(Request("reload"), cast(Client, object()))
    assert actions.Log(logging.INFO, lifecycle.BY_SIGNAL) not in after(serving(), asked)[1]
