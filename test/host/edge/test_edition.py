"""Editions of what Caddy is given: which sockets they listen at, and to which connections go."""

from __future__ import annotations

import json
import select
import socket
from pathlib import Path

import pytest

from raab.host.edge import edition
from raab.host.edge.compose import compose
from raab.host.edge.site import Ground, Site, Upstream
from raab.host.edge.steering import steer

SHOP = Site("shop", ("shop.test",), (Upstream("127.0.0.1:1"),))
SAYS = Path("/run/raab-edge/edition")


def composed(number: int) -> bytes:
    return compose([SHOP], Ground("/run/raab-edge/admin", "/var/lib/raab-edge", *edition.listens(number), str(SAYS), number))


def test_each_edition_listens_where_the_one_before_does_not() -> None:
    """And is otherwise the same, byte by byte."""
    for number in range(3):
        assert edition.of(composed(number)) == number
        assert edition.following(composed(number), SAYS) == composed(number + 1)
    servers = [json.loads(composed(number))["apps"]["http"]["servers"] for number in (6, 7)]
    listens = [{name: server["listen"] for name, server in one.items()} for one in servers]
    says = [f"unix/{SAYS}|0600"]
    assert listens == [{"http": ["fd/3"], "https": ["fd/4"], "edition": says}, {"http": ["fd/5"], "https": ["fd/6"], "edition": says}]


@pytest.mark.parametrize("text", [b"", b"[", b"[]", b'{"apps": 1}', b'{"apps": {"http": {"servers": {"edition": {"routes": []}}}}}'])
def test_what_has_no_number_is_the_first(text: bytes) -> None:
    assert edition.of(text) == 0


def test_new_connections_go_to_the_newest_and_what_waits_stays() -> None:
    """Whatever the kernel would have chosen."""
    first, port = listening(0)
    second, _ = listening(port)
    with first, second:
        for number, there, elsewhere in ((0, first, second), (1, second, first), (2, first, second)):
            steer(number, (port,))
            clients = [socket.create_connection((address, port)) for address in ("127.0.0.1", "::1") for _ in range(20)]
            assert not select.select([elsewhere], [], [], 0)[0]
            # They are taken only after others have been led elsewhere.
            steer(number + 1, (port,))
            for client in clients:
                there.accept()[0].close()
                client.close()
            assert not select.select([there, elsewhere], [], [], 0)[0]


def listening(port: int) -> tuple[socket.socket, int]:
    """As systemd listens for an edge (ReusePort=, BindIPv6Only=both)."""
    one = socket.socket(socket.AF_INET6)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.bind(("::", port))
    one.listen(64)
    return one, one.getsockname()[1]
