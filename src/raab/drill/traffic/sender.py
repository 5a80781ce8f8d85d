"""A sender process: keeps to its schedule however slow the answers are, and reports what became of every request.

Reads one JSON line (the mix and the targets) on standard input, then goes on until it reads another line, answers what is still open, and
ends; it ends at once when its input ends, so no sender outlives who started it. Writes JSON lines: lists of samples, at the end a number,
which is how many requests it has begun.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import itertools
import json
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from raab.drill.traffic.clients import Done, IdleClient, Target
from raab.drill.traffic.http import Broken
from raab.drill.traffic.values import Client, Kind, Mix

REPORT = 0.1
Send = Callable[[Client, Done], Awaitable[None]]


class Sender:
    """The schedule of one process. A request is due at a moment that no answer can move: a server that stalls is not asked less."""

    def __init__(self, mix: Mix, targets: tuple[Target, ...], share: float) -> None:
        self._mix = mix
        self._targets = targets
        self._share = share
        self._loop = asyncio.get_running_loop()
        self._open: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._samples: list[tuple[Any, ...]] = []
        self._begun = 0

    async def run(self) -> None:
        """Sends until told to stop, then waits for the answers that are still due; each has its own time limit."""
        self._loop.add_reader(sys.stdin.fileno(), self._told)
        for client in Client:
            if self._mix.rate(client):
                self._pace(client, itertools.cycle(self._targets), self._mix.rate(client) * self._share)
        for number in range(round(self._mix.idle * self._share)):
            self._idle(IdleClient(self._targets[number % len(self._targets)]))
        while not self._stopped.is_set() or self._open:
            await asyncio.sleep(REPORT)
            self._report()
        print(self._begun, flush=True)

    def _told(self) -> None:
        if not sys.stdin.readline():
            # Whoever started this process is gone, and nobody reads any more.
            sys.exit(1)
        self._stopped.set()

    def _pace(self, client: Client, targets: itertools.cycle[Target], rate: float) -> None:
        def due(at: float) -> None:
            if not self._stopped.is_set():
                target = next(targets)
                self._begin(client, target, target.send, at)
                self._loop.call_at(at + 1 / rate, due, at + 1 / rate)

        first = self._loop.time() + random.random() / rate
        self._loop.call_at(first, due, first)

    def _idle(self, client: IdleClient) -> None:
        def due(at: float) -> None:
            if not self._stopped.is_set():
                self._begin(Client.IDLE, client.target, client.send, at).add_done_callback(again)

        def again(_: object) -> None:
            at = self._loop.time() + random.uniform(0, self._mix.idle_seconds)
            self._loop.call_at(at, due, at)

        again(None)

    def _begin(self, client: Client, target: Target, send: Send, at: float) -> asyncio.Task[None]:
        self._begun += self._mix.requests(client)
        task = self._loop.create_task(self._account(client, target, send, at))
        timer = self._loop.call_at(at + self._mix.planned(client) + self._mix.timeout, task.cancel)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        task.add_done_callback(lambda _: timer.cancel())
        return task

    async def _account(self, client: Client, target: Target, send: Send, at: float) -> None:
        """Runs one client's turn and notes a sample for each of its requests, answered or not."""
        lag = self._loop.time() - at
        left = self._mix.requests(client)

        def note(kind: Kind, label: str, detail: str) -> None:
            nonlocal left
            left -= 1
            took = self._loop.time() - at
            self._samples.append((client.value, kind.value, target.name, at, took, self._mix.planned(client), lag, label, detail))

        try:
            await send(client, lambda label: note(Kind.OK, label, ""))
            kind, detail = Kind.WRONG, "no answer was noted"
        except Broken as error:
            kind, detail = error.kind, error.detail
        except asyncio.CancelledError:
            kind, detail = Kind.TIMED_OUT, f"no answer within {self._mix.timeout} s"
        while left:
            note(kind, "", detail)

    def _report(self) -> None:
        if self._samples:
            print(json.dumps(self._samples), flush=True)
            self._samples.clear()


async def serve(order: dict[str, Any]) -> None:
    """Carries out an order: `mix`, `targets` (host and port, or a path), `share` (this process's part of the mix, 0 to 1)."""
    mix = Mix(**order["mix"])
    places = (place if isinstance(place, str) else tuple(place) for place in order["targets"])
    targets = tuple(Target(place, mix, max(1, round(mix.connections * order["share"]))) for place in places)
    await Sender(mix, targets, order["share"]).run()


def main() -> None:
    order = json.loads(sys.stdin.readline())
    # A reader that is busy for a moment must not stop the clock here.
    fcntl.fcntl(sys.stdout.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
    gc.freeze()
    asyncio.run(serve(order))


if __name__ == "__main__":
    main()
