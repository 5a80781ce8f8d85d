"""Who always finds more to do lets others go first. Counted in rounds of the loop: what a clock tells depends on who else is at work."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import gevent.socket
import pytest

from http1.errors import BodyError
from http1.limits import STEP_BYTES, TURN_BYTES, Limits
from http1.request.body import Body
from http1.request.reader import Reader
from http1.turns import Turn, give_way

SIZE = 100_000


def most_in_a_round(busy: Callable[[Callable[[], None]], None], count: int = 1) -> int:
    """The most steps that `count` greenlets take together while somebody waits for a socket on which there is something already. `busy`
    takes steps, and calls its argument before each."""
    steps, most = 0, 0

    def step() -> None:
        nonlocal steps
        steps += 1

    def wait_and_look() -> None:
        nonlocal steps, most
        here, there = gevent.socket.socketpair()
        with here, there:
            there.send(b"x")
            while True:
                # Not received: it is there the next time, too.
                gevent.socket.wait_read(here.fileno())
                most, steps = max(most, steps), 0

    other = gevent.spawn(wait_and_look)
    gevent.joinall([gevent.spawn(busy, step) for _ in range(count)], raise_error=True)
    other.kill()
    return max(most, steps)


@pytest.mark.parametrize("count", [1, 3, 100])
def test_one_of_all_who_give_way_goes_on_in_a_round(count: int) -> None:
    """However many they are: nobody else waits for more than one."""

    def busy(step: Callable[[], None]) -> None:
        for _ in range(20):
            give_way()
            step()

    assert most_in_a_round(busy, count) <= 2


def test_who_gives_way_has_a_turn_as_often_as_the_others() -> None:
    order: list[int] = []

    def busy(number: int) -> None:
        for _ in range(5):
            give_way()
            order.append(number)

    gevent.joinall([gevent.spawn(busy, number) for number in range(3)])
    assert order == [0, 1, 2] * 5


def test_who_does_not_wait_for_a_turn_any_more_keeps_nobody_from_his() -> None:
    with gevent.Timeout(0.0001, False):  # type: ignore[arg-type]
        while True:
            give_way()
    with gevent.Timeout(5):
        give_way()


READS: dict[str, Callable[[Body], bytes]] = {
    "bytes": lambda body: body.read(1),
    "lines": lambda body: body.readline(),
    "pieces": lambda body: body.take(1),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", READS)
def test_a_body_is_read_in_turns_by_whatever_steps(kind: str, chunked: bool) -> None:
    """An application that reads by the byte, or a client that sends nothing but empty lines, takes as much time as many bytes would."""
    chunk = b"5\r\n\n\n\n\n\n\r\n"
    sent = chunk * (SIZE // 5) + b"0\r\n\r\n" if chunked else b"\n" * SIZE
    read = 0

    def busy(step: Callable[[], None]) -> None:
        nonlocal read
        here, there = gevent.socket.socketpair()
        with here, there:
            sender = gevent.spawn(there.sendall, sent)
            body = Body(Reader(here, Turn()), None if chunked else SIZE, Limits())
            while data := READS[kind](body):
                read += len(data)
                step()
            sender.join()

    assert most_in_a_round(busy) <= TURN_BYTES // STEP_BYTES
    assert read == SIZE


def test_a_hundred_who_lose_their_clients_at_once_go_on_one_after_the_other() -> None:
    """What becomes of half an upload takes a while each; nobody else waits for all of them."""
    pairs = [gevent.socket.socketpair() for _ in range(100)]
    left = iter(pairs)

    def busy(step: Callable[[], None]) -> None:
        here, _ = next(left)
        with pytest.raises(BodyError):
            Body(Reader(here, Turn()), 10, Limits()).take(10)
        step()

    def leave() -> None:
        for _, there in pairs:
            there.close()

    gevent.spawn_later(0.05, leave)
    assert most_in_a_round(busy, len(pairs)) <= 2
    for here, _ in pairs:
        here.close()
