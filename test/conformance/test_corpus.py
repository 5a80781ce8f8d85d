"""Each raw request of the corpus gets exactly one answer, directly and through proxies, and nobody else gets anything of it."""

from __future__ import annotations

import itertools

import pytest

from .cases import Case, Expected, corpus
from .innocent import Innocent
from .service import Service
from .wire import QUIET, Answer, Nonsense, Wire, fits, request

CASES = corpus()
# A proxy says with these that the service behind it has broken off, or said what it should not.
UPSTREAM_BROKEN = (502, 503, 504)
# What an application answers by itself is no refusal.
REFUSALS = (400, 408, 413, 414, 431, 501, 505)
_numbers = itertools.count()

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))


def test_the_corpus_is_large_enough() -> None:
    """And no name stands for two cases."""
    assert len(CASES) == len({case.name for case in CASES}) >= 150


@each
@pytest.mark.parametrize("pieces", [1, 9], ids=["whole", "in pieces"])
def test_directly(service: Service, case: Case, pieces: int) -> None:
    """The answers that it names and nothing after them; a refusal says that it closes, and what follows on the connection is ignored.
    The same when it comes in pieces, cut where it hurts."""
    service.seen()
    with Wire(service.address) as wire:
        wire.send(case.sent, case.ends, pieces)
        answers = taken(wire, case.answers)
        goes_on = case.goes_on
        if goes_on is not False and not case.ends:
            goes_on = probed(wire, goes_on)
        if goes_on is False:
            if not case.ends:
                wire.send(request("/smuggled"))
            rest = wire.rest()
            assert not rest, f"unasked: {rest[:300]!r}"
    if case.goes_on is False and answers and answers[-1].status in REFUSALS:
        assert answers[-1].fields.get("connection") == "close"
    seen = service.seen()
    assert not any("/smuggled" in line for line in seen)
    final = [answer for answer in answers if answer.status >= 200]
    assert len(seen) <= len(final) + (not final), seen


def test_clients_of_a_proxy_share_its_connections(service: Service, proxy: str, beside: list[Innocent]) -> None:
    """Else an answer too many would find nobody: many clients, one after the other and at the same time, few connections to the service."""
    asked = sum(client.count for client in beside)
    for _ in range(30):
        other = Innocent(proxy)
        other.ask()
        other.close()
        assert not other.harm
    beside[0].ask()
    service.until(lambda: sum(client.count for client in beside) > asked + 30)
    assert service.status()["workers"][0]["connections"] < 12


@each
def test_through_a_proxy(service: Service, proxy: str, beside: list[Innocent], case: Case) -> None:
    """The proxy may refuse it or make something sound of it. Whatever it does: one answer, which is not that the service has broken off;
    what the connection carries afterwards is the next request's own; and the innocent clients of the same connections see nothing."""
    service.seen()
    with Wire(proxy) as wire:
        wire.send(case.sent, case.ends)
        if case.raw:
            wire.quiet()
        else:
            answers = taken_from_proxy(wire, case)
            assert not [answer for answer in answers if answer.status in UPSTREAM_BROKEN], answers
            if not case.ends:
                probed(wire, None)
            assert not wire.quiet()
    for _ in range(2):
        beside[0].ask()
    harm = [harm for client in beside for harm in client.harm]
    for client in beside:
        client.harm.clear()
    assert not harm
    seen = service.seen()
    assert not any("/smuggled" in line for line in seen)
    # None at all, or one, of a client that has gone before it had an answer.
    assert len(seen) <= max(1, len([one for one in case.answers if min(one.statuses) >= 200])), seen


def taken(wire: Wire, expected: tuple[Expected, ...]) -> list[Answer]:
    """The answers, each as expected."""
    answers: list[Answer] = []
    waiting = list(expected)
    while waiting:
        bodiless = waiting[0].bodiless
        if all(one.optional for one in waiting) and len(waiting) == 1 and min(waiting[0].statuses) >= 200:
            answer = wire.answer()
            if answer is None:
                break
        else:
            answer = wire.answer(bodiless)
        assert answer is not None, f"the connection has ended before {waiting[0]}"
        while waiting[0].optional and not fits(answer, waiting[0]) and len(waiting) > 1:
            waiting.pop(0)
        assert fits(answer, waiting[0]), f"{answer}, not {waiting[0]}"
        answers.append(answer)
        waiting.pop(0)
    return answers


def taken_from_proxy(wire: Wire, case: Case) -> list[Answer]:
    """As many final answers as the service would give, or what the case says of proxies. A proxy may end the connection after a refusal."""
    expected = case.answers if case.proxied is None else case.proxied
    answers: list[Answer] = []
    for one in expected:
        if min(one.statuses) < 200:
            continue
        answer = wire.answer(one.bodiless)
        while answer is not None and answer.status < 200:
            answers.append(answer)
            answer = wire.answer(one.bodiless)
        if answer is None:
            refused = bool(answers) and answers[-1].status >= 400
            assert one.optional or refused, f"the connection has ended before {one}"
            break
        assert answer.whole
        answers.append(answer)
    return answers


def probed(wire: Wire, must: bool | None) -> bool:
    """Whether the connection goes on: then the next request on it gets its own answer, as the last one."""
    nonce = f"/probe/{next(_numbers)}"
    wire.send(request(nonce, "Connection: close"))
    if must is None:
        # Where a proxy still waits for the rest of a refused body, this is swallowed as a part of it.
        wire.patience(QUIET)
    try:
        answer = wire.answer()
    except Nonsense as error:
        raise AssertionError(f"no answer to the next request: {error}") from error
    except TimeoutError:
        assert must is None, "no answer to the next request"
        return False
    assert answer is not None or not must, "the connection has ended"
    if answer is None:
        return False
    assert nonce.encode() in answer.body, f"not the next request's answer: {answer}"
    rest = wire.rest()
    assert not rest, f"unasked: {rest[:300]!r}"
    return True
