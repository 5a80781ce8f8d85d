"""The decisions on processes, each by itself; what they come to in a whole life is test_lifecycle.py's."""

from __future__ import annotations

from handover.decision import ordering, states
from handover.decision.ordering import Orders
from handover.decision.states import Fleet, Load, Phase
from handover.settings.options import Options

EACH = Load("/r/1", each="says so")
ONE_BY_ONE = Load("/r/1", options=Options(one_by_one=True), each="says so")
SHARED = Load("/r/1")


def forked(fleet: Fleet, *pids: int) -> Fleet:
    """The orders that the fleet asks for, carried out by these processes."""
    orders = ordering.due(fleet)
    before = fleet.orders
    fleet = ordering.ordered(fleet, orders)
    for order, pid in enumerate(pids, before + 1):
        fleet = states.forked(fleet, order, pid)
    return fleet


def fleet_of(count: int, *, target: int | None = None, load: Load = EACH) -> Fleet:
    """A fleet in steady state: `count` serving workers, 1, 2 and so on."""
    fleet = forked(states.reload(Fleet(count), count, load), *range(1, count + 1))
    for pid in range(1, count + 1):
        fleet = states.ready(fleet, pid)
    fleet = states.taken_over(fleet)
    return Fleet(**{**vars(fleet), "target": target if target is not None else count})


def test_all_at_once_keeps_the_old_until_the_last_new_one_is_ready() -> None:
    """Two workers, a reload: nobody leaves while one of two new ones is still booting; then both old ones do."""
    fleet = states.reload(fleet_of(2), 2, EACH)
    assert ordering.due(fleet) == Orders(2, 2)
    fleet = states.ready(forked(fleet, 3, 4), 3)
    assert not states.complete(fleet) and ordering.due(fleet) == Orders(0, 2)
    fleet = states.taken_over(states.ready(fleet, 4))
    assert ordering.due(fleet) == Orders(0, 2, (1, 2))


def test_one_by_one_never_holds_more_than_one_worker_too_many() -> None:
    """Two workers: one new, then one old leaves, and only when it has gone the next new one is forked."""
    fleet = states.reload(fleet_of(2), 2, ONE_BY_ONE)
    assert ordering.due(fleet) == Orders(1, 2)
    fleet = forked(fleet, 3)
    assert ordering.due(fleet) == Orders(0, 2)
    fleet = states.ready(fleet, 3)
    assert ordering.due(fleet) == Orders(0, 2, (1,))
    fleet = ordering.ordered(fleet, ordering.due(fleet))
    assert ordering.due(fleet) == Orders(0, 2)
    assert ordering.due(states.left(fleet, 1)) == Orders(1, 2)


def test_workers_are_asked_of_a_template_that_is_ready() -> None:
    """One template a generation; until it has loaded, nobody is asked for."""
    fleet = states.reload(fleet_of(2), 2, SHARED)
    assert ordering.due(fleet) == Orders(0, 2, load=2)
    fleet = forked(fleet, 9)
    assert ordering.due(fleet) == Orders(0, 2)
    fleet = states.ready(fleet, 9)
    assert ordering.due(fleet) == Orders(2, 2)
    fleet = ordering.ordered(fleet, ordering.due(fleet))
    assert ordering.due(fleet) == Orders(0, 2), "what was asked for is not asked for again"
    assert ordering.due(states.left(fleet, 9, by_signal=True)) == Orders(0, 2, load=2), "and is lost with the template"


def test_templates_of_retired_generations_end() -> None:
    """That of the generation that serves stays while another one is on its way, which may be given up."""
    fleet = states.ready(forked(states.reload(Fleet(1), 1, SHARED), 8), 8)
    fleet = states.taken_over(states.ready(forked(fleet, 1), 1))
    fleet = states.ready(forked(states.reload(fleet, 1, SHARED), 9), 9)
    assert ordering.due(fleet).end == ()
    assert ordering.due(states.given_up(fleet, 1)).end == (9,)
    assert ordering.due(states.taken_over(states.ready(forked(fleet, 2), 2))).end == (8,)


def test_a_failed_generation_leaves_and_the_next_reload_is_a_new_one() -> None:
    """The generation's number is spent; the old workers stay; the next reload starts at once."""
    fleet = states.left(forked(states.reload(fleet_of(2), 2, EACH), 3, 4), 3)
    assert states.failed(fleet)
    fleet = states.given_up(fleet, 2)
    assert ordering.due(fleet) == Orders(0, 1, (4,))
    assert ordering.due(states.reload(fleet, 2, EACH)).generation == 3


def test_a_worker_ended_from_outside_does_not_condemn_its_generation_at_once() -> None:
    """Somebody's SIGTERM to a booting worker says nothing of the code: it is replaced, until that happens too often."""
    fleet = forked(states.reload(fleet_of(1), 1, EACH), 2)
    fleet = states.left(fleet, 2, by_signal=True)
    assert not states.failed(fleet) and ordering.due(fleet) == Orders(1, 2)
    assert states.failed(states.left(forked(fleet, 3), 3, by_signal=True))


def test_a_host_that_cannot_fork_keeps_the_old_generation() -> None:
    """The generation on its way is given up; in steady state it is tried again, after ever longer pauses."""
    for load in (EACH, SHARED):
        fleet = states.reload(fleet_of(2), 2, load)
        assert states.failed(states.unforked(ordering.ordered(fleet, ordering.due(fleet)), fleet.orders + 1))
    fleet = fleet_of(1, target=2)
    fleet = states.unforked(ordering.ordered(fleet, ordering.due(fleet)), fleet.orders + 1)
    assert fleet.crashes == 1 and ordering.due(fleet) == Orders(1, 1)


def test_fewer_wanted_takes_those_that_do_not_serve_first() -> None:
    """TTOU while a worker boots ends that one; otherwise the oldest, as gunicorn does."""
    fleet = forked(fleet_of(2, target=3), 3)
    assert ordering.due(Fleet(**{**vars(fleet), "target": 2})).retire == (3,)
    assert ordering.due(fleet_of(3, target=2)).retire == (1,)


def test_who_died_while_it_served_is_counted_until_the_next_generation() -> None:
    """Not who was told to leave, nor who said that it leaves, nor who never served, nor one of another generation."""
    fleet = states.left(fleet_of(3), 1, by_signal=True)
    assert fleet.died == 1
    fleet = states.left(forked(fleet, 4), 4)
    fleet = states.left(states.closed(fleet, 2), 2)
    assert fleet.died == 1
    fleet = states.reload(Fleet(**{**vars(fleet), "target": 1}), 1, EACH)
    assert states.left(fleet, 3).died == 2
    fleet = states.taken_over(states.ready(forked(fleet, 5), 5))
    assert fleet.died == 0
    assert states.left(fleet, 3).died == 0, "the generation before"
    assert states.left(ordering.ordered(fleet, ordering.due(fleet)), 3).died == 0


def test_crashes_in_steady_state_are_counted_until_a_worker_serves() -> None:
    """The master waits longer between attempts while none gets through."""
    fleet = fleet_of(1, target=2)
    for pid in (2, 3):
        fleet = states.left(forked(fleet, pid), pid)
    assert fleet.crashes == 2
    assert states.ready(forked(fleet, 4), 4).crashes == 0
    assert [m.phase for m in fleet.members] == [Phase.SERVING]
