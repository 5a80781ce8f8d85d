"""The hand-over's decisions, apart from processes: a model of a master's life, tried out in every order that hypothesis finds."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from handover import states
from handover.states import Fleet, Orders, Phase

ALIVE = (Phase.BOOTING, Phase.SERVING)


def fleet_of(count: int, *, generation: int = 1, target: int | None = None) -> Fleet:
    """A fleet in steady state: `count` serving workers."""
    fleet = Fleet(target if target is not None else count, generation=generation, newest=generation)
    for pid in range(1, count + 1):
        fleet = states.ready(states.spawned(fleet, pid, generation, pid), pid)
    return fleet


class Life(RuleBasedStateMachine):
    """Any sequence of signals, readiness, deaths. After each event the orders are carried out, as the arbiter does."""

    @initialize(wanted=st.integers(1, 5))
    def start(self, wanted: int) -> None:
        self.pid = 0
        self.exhausted = False
        self.fleet = states.reload(Fleet(wanted), wanted)
        self.obey()

    def obey(self) -> None:
        for _ in range(100):
            self.conclude()
            orders = states.settle(self.fleet)
            if orders == Orders(0, orders.generation, ()):
                return
            self.check_orders(orders)
            self.fleet = states.retired(self.fleet, orders.retire)
            for _ in range(orders.spawn):
                self.pid += 1
                self.fleet = states.spawned(self.fleet, self.pid, orders.generation, self.pid)
        raise AssertionError("settle never comes to rest")

    def conclude(self) -> None:
        if states.complete(self.fleet):
            self.fleet = states.taken_over(self.fleet)
        elif states.failed(self.fleet) and self.fleet.generation == 0:
            # The arbiter ends here, with the reason; systemd starts another one.
            self.fleet = states.reload(Fleet(self.fleet.target), self.fleet.target)
        elif states.failed(self.fleet):
            self.fleet = states.given_up(self.fleet, self.fleet.target)

    def check_orders(self, orders: Orders) -> None:
        """Retiring never takes the service below what is wanted, or below what it has already."""
        serving = {m.pid for m in self.fleet.of(Phase.SERVING)}
        left = serving - set(orders.retire)
        assert len(left) >= min(len(serving), self.fleet.target), "a worker leaves before its place is taken"
        if self.fleet.incoming is not None and not self.fleet.one_by_one:
            old = {m.pid for m in self.fleet.members if m.generation != self.fleet.incoming}
            assert not old & set(orders.retire), "the old generation leaves before the new one is complete"

    def pick(self, data: st.DataObject, *phases: Phase) -> int:
        return data.draw(st.sampled_from([m.pid for m in self.fleet.of(*phases)]))

    @rule(wanted=st.integers(1, 5), gradual=st.booleans())
    def hup(self, wanted: int, gradual: bool) -> None:
        before = self.fleet
        self.fleet = states.reload(self.fleet, wanted, one_by_one=gradual)
        if before.incoming is not None:
            assert self.fleet.again and self.fleet.incoming == before.incoming, "a second reload is remembered, not mixed in"
        self.obey()

    @precondition(lambda self: self.fleet.of(Phase.BOOTING))
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        self.fleet = states.ready(self.fleet, self.pick(data, Phase.BOOTING))
        self.obey()

    @precondition(lambda self: self.fleet.members)
    @rule(data=st.data(), by_signal=st.booleans())
    def dies(self, data: st.DataObject, by_signal: bool) -> None:
        pid = self.pick(data, *Phase)
        incoming = self.fleet.incoming
        booting = pid in {m.pid for m in self.fleet.of(Phase.BOOTING) if m.generation == incoming}
        self.fleet = states.left(self.fleet, pid, by_signal=by_signal)
        if booting and not by_signal:
            assert states.failed(self.fleet), "a worker that cannot boot condemns its generation"
        self.obey()

    @rule(wanted=st.integers(1, 5))
    def scaled(self, wanted: int) -> None:
        self.fleet = Fleet(**{**vars(self.fleet), "target": wanted})
        self.obey()

    @precondition(lambda self: self.fleet.of(Phase.RETIRING))
    @rule(data=st.data())
    def late_word(self, data: st.DataObject) -> None:
        """A worker's `ready` may be read after it was told to leave."""
        pid = self.pick(data, Phase.RETIRING)
        assert states.ready(self.fleet, pid).members == self.fleet.members

    @rule()
    def peace(self) -> None:
        """Left alone, every hand-over ends, and exactly the target serves, all of one generation."""
        fleet, pid = self.fleet, self.pid
        for _ in range(3 * (self.fleet.target + len(self.fleet.members))):
            for member in self.fleet.of(Phase.RETIRING):
                self.fleet = states.left(self.fleet, member.pid)
            for member in self.fleet.of(Phase.BOOTING):
                self.fleet = states.ready(self.fleet, member.pid)
            self.obey()
        serving = self.fleet.of(Phase.SERVING)
        assert self.fleet.incoming is None and len(serving) == self.fleet.target == len(self.fleet.members)
        assert {m.generation for m in serving} == {self.fleet.generation}
        self.fleet, self.pid = fleet, pid

    @invariant()
    def at_rest(self) -> None:
        if hasattr(self, "fleet"):
            orders = states.settle(self.fleet)
            assert not orders.spawn and not orders.retire, "orders that were carried out are not given again"
            alive = self.fleet.of(*ALIVE, generation=self.fleet.incoming)
            assert len(alive) <= self.fleet.target or self.fleet.incoming is None


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_all_at_once_keeps_the_old_until_the_last_new_one_is_ready() -> None:
    """Two workers, a reload: nobody leaves while one of two new ones is still booting; then both old ones do."""
    fleet = states.reload(fleet_of(2), 2)
    assert states.settle(fleet) == Orders(2, 2, ())
    for pid in (3, 4):
        fleet = states.spawned(fleet, pid, 2, pid)
    fleet = states.ready(fleet, 3)
    assert not states.complete(fleet) and states.settle(fleet) == Orders(0, 2, ())
    fleet = states.taken_over(states.ready(fleet, 4))
    assert states.settle(fleet) == Orders(0, 2, (1, 2))


def test_one_by_one_never_holds_more_than_one_worker_too_many() -> None:
    """Two workers: one new, then one old leaves, and only when it has gone the next new one is forked."""
    fleet = states.reload(fleet_of(2), 2, one_by_one=True)
    assert states.settle(fleet) == Orders(1, 2, ())
    fleet = states.spawned(fleet, 3, 2, 3)
    assert states.settle(fleet) == Orders(0, 2, ())
    fleet = states.ready(fleet, 3)
    assert states.settle(fleet) == Orders(0, 2, (1,))
    fleet = states.retired(fleet, (1,))
    assert states.settle(fleet) == Orders(0, 2, ())
    assert states.settle(states.left(fleet, 1)) == Orders(1, 2, ())


def test_a_failed_generation_leaves_and_the_next_reload_is_a_new_one() -> None:
    """The generation's number is spent; the old workers stay; the next reload starts at once."""
    fleet = states.reload(fleet_of(2), 2)
    for pid in (3, 4):
        fleet = states.spawned(fleet, pid, 2, pid)
    fleet = states.left(fleet, 3)
    assert states.failed(fleet)
    fleet = states.given_up(fleet, 2)
    assert states.settle(fleet) == Orders(0, 1, (4,))
    assert states.settle(states.reload(fleet, 2)).generation == 3


def test_a_worker_ended_from_outside_does_not_condemn_its_generation_at_once() -> None:
    """Somebody's SIGTERM to a booting worker says nothing of the code: it is replaced, until that happens too often."""
    fleet = states.spawned(states.reload(fleet_of(1), 1), 2, 2, 2)
    fleet = states.left(fleet, 2, by_signal=True)
    assert not states.failed(fleet) and states.settle(fleet) == Orders(1, 2, ())
    fleet = states.left(states.spawned(fleet, 3, 2, 3), 3, by_signal=True)
    assert states.failed(fleet)


def test_a_host_that_cannot_fork_keeps_the_old_generation() -> None:
    """The generation on its way is given up; in steady state the fleet stays as it is, and the arbiter tries again."""
    assert states.failed(states.unspawnable(states.reload(fleet_of(2), 2)))
    assert states.unspawnable(fleet_of(2)) == fleet_of(2)


def test_fewer_wanted_takes_those_that_do_not_serve_first() -> None:
    """TTOU while a worker boots ends that one; otherwise the oldest, as gunicorn does."""
    fleet = states.spawned(fleet_of(2, target=2), 3, 1, 3)
    assert states.settle(fleet).retire == (3,)
    assert states.settle(fleet_of(3, target=2)).retire == (1,)


def test_crashes_in_steady_state_are_counted_until_a_worker_serves() -> None:
    """The arbiter waits longer between attempts while none gets through."""
    fleet = fleet_of(1, target=2)
    for pid in (2, 3):
        fleet = states.left(states.spawned(fleet, pid, 1, pid), pid)
    assert fleet.crashes == 2
    assert states.ready(states.spawned(fleet, 4, 1, 4), 4).crashes == 0
