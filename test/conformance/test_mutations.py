"""The corpus, spoilt at random: whatever is sent, the answers are answers, the last one is the last, nobody else notices, and the
application sees no request that gunicorn's own parser, which is strict, does not find there as well."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.util import unquote_to_wsgi_str

from .cases import corpus
from .innocent import Innocent
from .service import Service
from .wire import Answer, Wire

# What an answer is read by would depend on what became of the method.
SEEDS = [case.sent for case in corpus() if len(case.sent) < 3000 and b"HEAD" not in case.sent]
SPICE = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"5", b"f", b"+", b"-", b"%", b"#", b"?", b"/", b"//",
    b"\x80", b"\xff", b'"', b"\\", b"\x0b", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: i\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"5\r\nhello\r\n",
    b"0\r\n\r\n", b"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
]  # fmt: skip
LAST = (400, 413, 414, 417, 431, 501, 505)


def spoilt(dice: random.Random) -> bytes:
    """One of the corpus's requests with one to four faults, or the beginning of one and the end of another."""
    data = dice.choice(SEEDS)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.choice((1, 1, 1, 2, 10)))
        data = dice.choice((
            lambda data, at, to: data[:at] + data[to:],
            lambda data, at, to: data[:at] + dice.choice(SPICE) + data[at:],
            lambda data, at, to: data[:at] + dice.choice(SPICE) + data[to:],
            lambda data, at, to: data[:at] + data[at:to] * 2 + data[to:],
            lambda data, at, to: data[:at] + dice.choice(SEEDS)[-at:],
        ))(data, at, to)  # fmt: skip
    return data


def answers(wire: Wire) -> Iterator[Answer]:
    """Until the connection ends; raises for what is none, and when it does not end."""
    while (answer := wire.answer()) is not None:
        yield answer


def found_by_gunicorn(data: bytes) -> Iterator[str]:
    """The requests in it, each as the application notes it, up to the first that is none."""
    try:
        for message in RequestParser(Config(), iter([data]), ("127.0.0.1", 1)):
            yield f"{message.method} {unquote_to_wsgi_str(message.path or '/')}"
            while message.body and message.body.read(65536):
                pass
    except (ParseException, OSError, StopIteration):
        return


def check(found: list[Answer], data: bytes) -> None:
    final = [answer for answer in found if answer.status >= 200]
    assert all(answer.whole for answer in final), found
    assert len(final) <= 1 + data.count(b"HTTP/1"), found
    assert not [answer for answer in final if answer.status == 500], found
    refused = [number for number, answer in enumerate(final) if answer.status in LAST and answer.fields.get("connection") == "close"]
    assert not refused or refused == [len(final) - 1], found


def run(service: Service, begin: int, count: int) -> None:
    pids = service.pids()
    for number in range(begin, begin + count):
        data = spoilt(random.Random(number))
        if b"HEAD" in data:
            continue
        with Wire(service.address) as wire:
            wire.send(data, ends=True, pieces=1 + number % 3)
            try:
                check(list(answers(wire)), data)
                there = found_by_gunicorn(data)
                for line in service.seen():
                    assert line in there, f"not a request of its own: {line}"
            except Exception as error:
                raise AssertionError(f"number {number}: {data!r}") from error
    assert service.pids() == pids
    assert "Traceback" not in service.log.read_text()


def run_through(proxy: str, beside: list[Innocent], begin: int, count: int) -> None:
    for number in range(begin, begin + count):
        data = spoilt(random.Random(number))
        with Wire(proxy) as wire:
            wire.send(data, ends=True)
            wire.quiet()
        beside[0].ask()
        harm = [harm for client in beside for harm in client.harm]
        assert not harm, f"number {number}: {data!r}"


def test_spoilt_requests(service: Service) -> None:
    """The same ones each time: a number that fails is to be had again."""
    run(service, 0, 400)


def test_spoilt_requests_through_a_proxy(proxy: str, beside: list[Innocent]) -> None:
    run_through(proxy, beside, 0, 200)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_many_spoilt_requests(service: Service) -> None:
    """Others each time."""
    run(service, random.SystemRandom().randrange(1 << 40), 100_000)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_many_spoilt_requests_through_a_proxy(proxy: str, beside: list[Innocent]) -> None:
    run_through(proxy, beside, random.SystemRandom().randrange(1 << 40), 5_000)
