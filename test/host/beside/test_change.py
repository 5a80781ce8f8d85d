"""Which processes end, start and stay, from those that there are and those that are wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raab.host.beside.change import ENDED, ENDING, RUNNING, Change, Instance, Wanted, decide
from raab.protocol.processes import Process

OLD, NEW = "20260101T000000Z-aaaaaaa", "20260102T000000Z-bbbbbbb"


def text_of(release: str) -> object:
    return lambda process, number: f"{process.name}-{number} of {release}"


def instance(process: str, number: int, release: str = OLD, state: str = RUNNING) -> Instance:
    return Instance(process, number, release, state, f"{process}-{number} of {release}")


def names(change: Change) -> dict[str, list[str]]:
    return {field: [one.name for one in getattr(change, field)] for field in change._fields if getattr(change, field)}


def decided(there: list[Instance], *wanted: Wanted, release: str = NEW, anew: bool = False) -> dict[str, list[str]]:
    return names(decide(there, wanted, text_of(release), anew))  # type: ignore[arg-type]


def worker(instances: int, overlap: bool = False) -> Wanted:
    return Wanted(Process("worker", "w", overlap=overlap), instances)


def test_a_first_release_starts_what_it_says() -> None:
    assert decided([], worker(2)) == {"start": ["worker-1", "worker-2"]}


def test_old_ones_end_before_the_new_ones_have_their_numbers() -> None:
    there = [instance("worker", 1), instance("worker", 2)]
    assert decided(there, worker(2)) == {"end": ["worker-1", "worker-2"], "start": ["worker-1", "worker-2"]}


def test_with_overlap_the_new_ones_have_other_numbers_and_the_old_end_afterwards() -> None:
    there = [instance("worker", 1), instance("worker", 2)]
    assert decided(there, worker(2, overlap=True)) == {"start": ["worker-3", "worker-4"], "leave": ["worker-1", "worker-2"]}
    # Of those that still do what they do nobody is in the way, nor is their number free.
    there = [instance("worker", 1, state=ENDING), instance("worker", 2, state=ENDED), instance("worker", 3)]
    assert decided(there, worker(1, overlap=True)) == {"start": ["worker-2"], "leave": ["worker-3"]}


def test_of_the_same_release_what_runs_stays() -> None:
    there = [instance("worker", number, NEW) for number in (1, 2, 3)]
    assert decided(there, worker(3)) == {}
    assert decided(there, worker(5)) == {"start": ["worker-4", "worker-5"]}
    assert decided(there, worker(1)) == {"retire": ["worker-2", "worker-3"]}
    assert decided(there, worker(0)) == {"retire": ["worker-1", "worker-2", "worker-3"]}
    assert decided(there, worker(3), anew=True) == {
        "end": ["worker-1", "worker-2", "worker-3"],
        "start": ["worker-1", "worker-2", "worker-3"],
    }


def test_what_has_ended_by_itself_or_by_hand_is_started_again() -> None:
    there = [instance("worker", 1, NEW), instance("worker", 2, NEW, ENDED)]
    assert decided(there, worker(2)) == {"start": ["worker-2"]}
    assert decided(there, worker(1)) == {"clear": ["worker-2"]}


def test_what_no_release_has_any_more_goes() -> None:
    there = [instance("beat", 1), instance("worker", 1, NEW), instance("old", 1, state=ENDED), instance("slow", 1, state=ENDING)]
    assert decided(there, worker(1)) == {"retire": ["beat-1"], "clear": ["old-1"]}
    assert decided([instance("worker", 1)]) == {"retire": ["worker-1"]}


def test_a_way_back_keeps_the_old_that_have_not_ended_yet() -> None:
    there = [instance("worker", 1, OLD), instance("worker", 2, NEW)]
    assert decided(there, worker(1, overlap=True), release=OLD) == {"leave": ["worker-2"]}


INSTANCES = st.lists(
    st.builds(
        instance,
        st.sampled_from(["worker", "beat"]),
        st.integers(1, 6),
        st.sampled_from([OLD, NEW]),
        st.sampled_from([RUNNING, ENDING, ENDED]),
    ),
    unique_by=lambda one: one.name,
)


@given(INSTANCES, st.integers(0, 5), st.booleans(), st.booleans())
def test_whatever_there_is_as_many_run_afterwards_as_are_wanted(there: list[Instance], count: int, overlap: bool, anew: bool) -> None:
    """None under a number that another one has, and none of before."""
    change = decide(there, [worker(count, overlap)], text_of(NEW), anew)  # type: ignore[arg-type]
    state = {one.name: (one.release, one.state) for one in there}
    for one in (*change.end, *change.clear):
        assert state.pop(one.name)[1] == (RUNNING if one in change.end else ENDED)
    for start in change.start:
        assert state.get(start.name, ("", ENDED))[1] == ENDED
        state[start.name] = (NEW, RUNNING)
    for one in (*change.retire, *change.leave):
        assert state.pop(one.name)[1] == RUNNING
    left = [name for name, (release, doing) in state.items() if doing == RUNNING and release == NEW and name.startswith("worker")]
    assert len(left) == count
    assert not [name for name, (release, doing) in state.items() if doing == RUNNING and (release == OLD or name.startswith("beat"))]
    if overlap and not anew:
        assert not change.end and {one.process for one in change.retire} <= {"beat"}
