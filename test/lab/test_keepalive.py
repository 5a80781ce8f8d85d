"""Idle keep-alive connections, which a server may close at any moment, and does not before it has to."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import Service
from raab.drill.traffic.http import request
from raab.drill.traffic.values import Client, Mix

if TYPE_CHECKING:
    from .conftest import Traffic


@pytest.mark.parametrize(("seconds", "times"), [(4, 1), pytest.param(10, 2, marks=pytest.mark.prove)])
def test_300_idle_clients_over_reloads(service: Service, traffic: Traffic, seconds: float, times: int) -> None:
    """Clients that idle for up to so many seconds between their requests lose none, whoever reloads the service and how."""
    with traffic(Mix(fresh=5, reused=0, idle=300, idle_seconds=seconds), settle=seconds / 2) as load:
        for act in ("kill -HUP", "systemctl reload", "kill -USR2", "kill -HUP") * times:
            before = service.status()
            service.run(f"{act} {before.pid}" if act.startswith("kill") else f"{act} raab")
            service.reloaded(before)
            time.sleep(seconds / 5)
    assert load.account.of(Client.IDLE).total > 500


def test_stop_with_100_idle_connections(service: Service) -> None:
    """systemctl stop does not wait for what idle connections might still send, which would be for as long as the grace period."""
    head = request("GET", "/", "raab")
    connections = [socket.create_connection(service.address, 5) for _ in range(100)]
    for connection in connections:
        connection.sendall(head)
    for connection in connections:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    done = service.systemctl("stop")
    assert done.seconds < 15
    for connection in connections:
        while connection.recv(65536):
            pass
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(service.address, 2)


@pytest.mark.parametrize("act", ["systemctl restart raab", "kill -KILL $(systemctl show -P MainPID raab)"])
def test_idle_clients_over_restarts(service: Service, traffic: Traffic, act: str) -> None:
    """Even where the service itself ends, clients with kept connections lose nothing."""
    before = service.status()
    with traffic(Mix(fresh=10, reused=30, idle=100, idle_seconds=3), settle=2):
        service.run(act)
        service.wait("up again", lambda now: now.settled and now.pid != before.pid)
