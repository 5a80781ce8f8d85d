"""The clients: how each of them sends its requests and checks its answers. None retries a request that failed."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable

from raab.drill.traffic.http import Answer, Broken, Connection, Place, name, request
from raab.drill.traffic.values import Client, Kind, Mix

PIECES = 16
PIECE = 4096
# Called with each whole answer's label.
Done = Callable[[str], None]


def check(answer: Answer, right: bool = True) -> None:
    """Raises Broken unless the answer is a good one and, as the caller says, the right one."""
    if answer.status >= 500:
        raise Broken(Kind.SERVER_ERROR, f"status {answer.status}")
    if answer.status >= 300 or not right:
        raise Broken(Kind.WRONG, f"status {answer.status}, {answer.body[:80]!r}")


class Target:
    """One server and the connections that are kept to it."""

    def __init__(self, place: Place, mix: Mix, connections: int) -> None:
        self.place = place
        self.name = name(place)
        self._mix = mix
        self._connections = connections
        self._idle: deque[Connection] = deque()
        self._open = 0

    async def send(self, client: Client, done: Done) -> None:
        """Sends what the client sends when it begins; calls `done` for each good answer. Raises Broken for the others."""
        senders = {
            Client.FRESH: self._fresh, Client.REUSED: self._reused, Client.SLOW: self._slow,
            Client.STREAMED: self._streamed, Client.UPLOAD: self._upload, Client.BURST: self._burst,
        }  # fmt: skip
        await senders[client](done)

    async def _once(self, head: bytes) -> Answer:
        connection = await Connection.open(self.place)
        try:
            await connection.send(head)
            return await connection.answer()
        finally:
            connection.close()

    async def _fresh(self, done: Done) -> None:
        connection = await Connection.open(self.place)
        try:
            await connection.send(request("GET", self._mix.path, self.name, close=True))
            answer = await connection.answer()
            check(answer)
            done(answer.label)
            if answer.last:
                await connection.ends()
        finally:
            connection.close()

    async def _slow(self, done: Done) -> None:
        answer = await self._once(request("GET", f"/slow?seconds={self._mix.slow_seconds}", self.name))
        check(answer)
        done(answer.label)

    async def _streamed(self, done: Done) -> None:
        pause = self._mix.stream_seconds / PIECES
        answer = await self._once(request("GET", f"/stream?chunks={PIECES}&pause={pause}", self.name))
        check(answer, answer.body == b"".join(b"%d\n" % number for number in range(PIECES)))
        done(answer.label)

    async def _upload(self, done: Done) -> None:
        """Sends the body piece by piece; the server's digest of it tells whether all of it arrived."""
        pieces = [os.urandom(PIECE) for _ in range(PIECES)]
        connection = await Connection.open(self.place)
        try:
            await connection.send(request("POST", "/echo", self.name, length=PIECE * PIECES))
            for piece in pieces:
                await asyncio.sleep(self._mix.upload_seconds / PIECES)
                await connection.send(piece)
            answer = await connection.answer()
        finally:
            connection.close()
        check(answer, hashlib.sha256(b"".join(pieces)).hexdigest().encode() in answer.body)
        done(answer.label)

    async def _burst(self, done: Done) -> None:
        """Pipelines its requests. After an announced end the unanswered ones were not processed (RFC 9112, 9.3.2) and are sent anew."""
        left = self._mix.burst_length
        while left:
            connection = await Connection.open(self.place)
            try:
                await connection.send(request("GET", self._mix.path, self.name) * left)
                while left:
                    answer = await connection.answer()
                    check(answer)
                    done(answer.label)
                    left -= 1
                    if answer.last:
                        break
            finally:
                connection.close()

    async def _reused(self, done: Done) -> None:
        """A pool keeps as many connections as it is for; what it lends beyond that serves one request, as urllib3's and nginx's do."""
        connection = self._take()
        if connection is None and self._open >= self._connections:
            await self._fresh(done)
            return
        self._open += connection is None
        kept = False
        try:
            connection = connection or await Connection.open(self.place)
            kept = await self.exchange(connection, done)
        finally:
            if kept and connection:
                self._idle.append(connection)
            else:
                self._open -= 1
                if connection:
                    connection.close()

    def _take(self) -> Connection | None:
        """The connection that idled longest, once as many are open as shall be kept."""
        while self._idle and self._open >= self._connections:
            connection = self._idle.popleft()
            if not connection.ended():
                return connection
            connection.close()
            self._open -= 1
        return None

    async def exchange(self, connection: Connection, done: Done) -> bool:
        """One request on a kept connection; whether it can be kept further."""
        await connection.send(request("GET", self._mix.path, self.name))
        answer = await connection.answer()
        check(answer)
        done(answer.label)
        return not answer.last


class IdleClient:
    """A client that keeps one connection and sends on it from time to time, unless it has seen it end."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connection: Connection | None = None

    async def send(self, _: Client, done: Done) -> None:
        connection, self._connection = self._connection, None
        if connection and connection.ended():
            connection.close()
            connection = None
        connection = connection or await Connection.open(self.target.place)
        kept = False
        try:
            kept = await self.target.exchange(connection, done)
        finally:
            if kept:
                self._connection = connection
            else:
                connection.close()
