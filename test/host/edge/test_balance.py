"""Several applications as one service, and several services beside one another."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from raab.host.edge import requests
from raab.host.edge.site import Site, Upstream

BOTH = pytest.mark.parametrize("version", ["1.1", "2"])


def until(true: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Client:
    """Asks without a pause, for as long as the block. A connection that is closed between two requests is opened again, as browsers do."""

    def __init__(self, edge: Any) -> None:
        self.edge, self.going = edge, True
        self.statuses: list[int] = []
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Client:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.going = False
        self.thread.join()

    def _run(self) -> None:
        while self.going:
            with self.edge.tls("shop.test") as sock:
                sock.settimeout(20)
                while self.going and (status := self._ask(sock)):
                    self.statuses.append(status)

    def _ask(self, sock: ssl.SSLSocket) -> int:
        """0 where the connection has been closed."""
        head = b""
        with suppress(ssl.SSLZeroReturnError):
            sock.sendall(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nword")
            while b"\r\n\r\n" not in head and (more := sock.recv(4096)):
                head += more
        return int(head.split()[1]) if head else 0


def nothing(*_: Any) -> bytes:
    return b"HTTP/1.1 204 No Content\r\n\r\n"


@BOTH
def test_where_no_connection_can_be_made_another_one_is_asked(edge: Any, app: Any, site: Any, version: str) -> None:
    one, two = app(), app()
    edge.start(site(one, two))
    until(lambda: one.checks and two.checks)
    one.close()
    for _ in range(6):
        assert edge.ask("https://shop.test/", version=version, body=b"word").status == 200
    assert [asked.body for asked in two.asked][-6:] == [b"word"] * 6


@BOTH
@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)])
def test_what_changes_nothing_is_asked_once_more_where_no_answer_comes(
    edge: Any, app: Any, site: Any, version: str, method: str, times: int
) -> None:
    """It may be the request that ends whoever gets it: no third one shall."""
    web = app(lambda *_: None)
    edge.start(site(web))
    words = ("-I",) if method == "HEAD" else ("-X", method)
    assert edge.ask("https://shop.test/", *words, version=version).status == 502
    assert [asked.method for asked in web.asked] == [method] * times


def test_one_who_says_nothing_is_made_good_by_the_other(edge: Any, app: Any, site: Any) -> None:
    ends, good = app(lambda *_: None), app()
    edge.start(site(ends, good))
    for _ in range(2):
        assert edge.ask("https://shop.test/").status == 200


def test_an_answer_is_no_reason_to_ask_again(edge: Any, app: Any, site: Any) -> None:
    web = app(lambda *_: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    edge.start(site(web))
    assert edge.ask("https://shop.test/").status == 503
    assert len(web.asked) == 1


def test_who_is_not_ready_gets_nothing_until_it_is(edge: Any, app: Any, site: Any) -> None:
    one, two = app(nothing), app(nothing)
    edge.start(site(one, two))
    with Client(edge) as client:
        until(lambda: len(one.asked) > 3 and len(two.asked) > 3)
        one.ready = False
        checks = one.checks
        until(lambda: one.checks > checks + 1)
        before = len(one.asked), len(two.asked)
        until(lambda: len(two.asked) > before[1] + 20)
        assert len(one.asked) == before[0]
        one.ready = True
        until(lambda: len(one.asked) > before[0] + 3)
    assert set(client.statuses) == {204}


def test_an_upstream_is_taken_out_and_put_back_beside_another_ones_requests(edge: Any, app: Any, site: Any) -> None:
    one, two = app(nothing), app(nothing)
    both = site(one, two)
    drained = Site(both.service, both.domains, (Upstream(one.address, drained=True), Upstream(two.address)), both.certificate)
    edge.start(both)
    with Client(edge) as client:
        until(lambda: len(one.asked) > 3)
        assert edge.admin("PATCH", "/id/shop/upstreams", requests.upstreams(drained)) == (200, b"")
        time.sleep(0.2)
        before = len(one.asked), len(two.asked)
        until(lambda: len(two.asked) > before[1] + 20)
        assert len(one.asked) == before[0]
        assert edge.admin("PATCH", "/id/shop/upstreams", requests.upstreams(both)) == (200, b"")
        until(lambda: len(one.asked) > before[0] + 3)
    assert set(client.statuses) == {204}


def test_a_request_waits_for_somebody_to_be_in_the_pool_until_the_edge_is_told_anything(edge: Any, app: Any, site: Any) -> None:
    web = app()
    there = site(web)
    gone = Site(there.service, there.domains, (Upstream(web.address, drained=True),), there.certificate)
    edge.start(gone)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(edge.ask("https://shop.test/", body=b"word").status))
    thread.start()
    time.sleep(1)
    assert not web.asked
    # It waits at the configuration by which it came, which ends now: who drains the only upstream loses requests.
    edge.load(there)
    assert edge.ask("https://shop.test/").status == 200
    thread.join()
    assert found == [503]


def test_one_service_knows_nothing_of_what_becomes_of_another(edge: Any, app: Any, site: Any) -> None:
    web = app(nothing)
    dead = app()
    dead.close()
    broken = site(dead, service="blog", domains=("blog.test",), maintenance=__file__)
    edge.start(site(web), broken)
    with Client(edge) as client:
        for _ in range(3):
            assert edge.ask("https://blog.test/").status == 503
            edge.load(site(web), broken)
    assert len(client.statuses) > 3 and set(client.statuses) == {204}
