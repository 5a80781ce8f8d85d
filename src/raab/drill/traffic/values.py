"""The sender's words: which traffic is sent, and what became of one request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Kind(str, Enum):
    """What became of a request."""

    OK = "ok"
    REFUSED = "refused"  # no connection could be made
    RESET = "reset"  # the connection ended before the first byte of the answer
    TRUNCATED = "truncated"  # the connection ended within the answer
    TIMED_OUT = "timed out"
    SERVER_ERROR = "5xx"
    WRONG = "wrong"  # a complete answer, but not the one to this request


class Client(str, Enum):
    """How a request was sent."""

    FRESH = "fresh"  # a connection of its own
    REUSED = "reused"  # a kept connection out of a pool
    IDLE = "idle"  # a kept connection that idled for a random time
    SLOW = "slow"  # an answer that takes seconds to begin
    STREAMED = "streamed"  # an answer that takes seconds from begin to end
    UPLOAD = "upload"  # a body that takes seconds to send
    BURST = "burst"  # several requests sent at once on one connection


class Sample(NamedTuple):
    """One request.

    `at` is the moment at which it was due to be sent (seconds of the machine's monotonic clock), `took` the seconds from then to its end,
    `planned` those that it takes by its nature (`slow_seconds` and the like). `lag` is how late the sender itself was; a wait that is
    mostly lag says nothing about the server. `label` is the release that answered, if it says so.
    """

    client: Client
    kind: Kind
    target: str
    at: float
    took: float
    planned: float
    lag: float
    label: str
    detail: str

    @property
    def wait(self) -> float:
        """How long the client waited for nothing but the server, in seconds."""
        return self.took - self.planned


@dataclass(frozen=True)
class Mix:
    """The traffic: requests per second for most clients, all targets and senders together; 0 leaves a client out.

    `idle` is a number of clients, each waiting 0 to `idle_seconds` between an answer and its next request; `bursts` counts bursts, of
    `burst_length` requests each; `connections` is how many connections the reused client keeps to each target. A request has `timeout`
    seconds, beyond the time that it takes by its nature, before it counts as timed out. The paths of slow, streamed and uploading
    requests are those of `raab.drill.traffic.routes`.
    """

    fresh: float = 50
    reused: float = 50
    idle: int = 0
    slow: float = 0
    streamed: float = 0
    uploads: float = 0
    bursts: float = 0
    path: str = "/"
    connections: int = 8
    idle_seconds: float = 10
    slow_seconds: float = 5
    stream_seconds: float = 3
    upload_seconds: float = 2
    burst_length: int = 8
    timeout: float = 30

    def rate(self, client: Client) -> float:
        """How often a second the client begins; 0 for the idle clients, who go by their own clocks."""
        rates = {
            Client.FRESH: self.fresh, Client.REUSED: self.reused, Client.SLOW: self.slow, Client.STREAMED: self.streamed,
            Client.UPLOAD: self.uploads, Client.BURST: self.bursts, Client.IDLE: 0,
        }  # fmt: skip
        return rates[client]

    def planned(self, client: Client) -> float:
        """How many seconds a request of this client takes by its nature."""
        return {Client.SLOW: self.slow_seconds, Client.STREAMED: self.stream_seconds, Client.UPLOAD: self.upload_seconds}.get(client, 0)

    def requests(self, client: Client) -> int:
        """How many requests the client sends when it begins."""
        return self.burst_length if client is Client.BURST else 1
