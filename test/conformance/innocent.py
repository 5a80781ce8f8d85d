"""Clients that do nothing wrong, beside others that do: whatever they get that is not their own answer is remembered."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .wire import Address, Nonsense, Wire, request

_numbers = itertools.count()
# Seconds between two requests of one client: all day long, and yet time for those who do wrong.
_PAUSE = 0.02


class Innocent:
    """One client, on a kept connection of its own; `harm` is what it got that it had not asked for."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._wire: Wire | None = None
        self.harm: list[str] = []
        self.count = 0

    def ask(self) -> None:
        """One request. An idle connection may be closed by a proxy; then it is asked again, once, on a new one."""
        for attempt in range(2):
            fresh = self._wire is None
            self._wire = self._wire or Wire(self._address)
            nonce = f"/innocent/{next(_numbers)}"
            try:
                self._wire.send(request(nonce))
                answer = self._wire.answer()
            except (OSError, Nonsense) as error:
                self.harm.append(f"{nonce}: {error!r}")
                self.close()
                return
            if answer is None and not fresh and attempt == 0:
                self.close()
                continue
            self.count += 1
            if answer is None or answer.status != 200 or nonce.encode() + b" " not in answer.body:
                self.harm.append(f"{nonce}: {answer}")
                self.close()
            return

    def close(self) -> None:
        if self._wire:
            self._wire.__exit__()
        self._wire = None


@contextmanager
def innocents(address: Address, count: int = 3) -> Iterator[list[Innocent]]:
    """So many of them, asking without end in threads of their own. The first one is for the caller to ask when he likes."""
    own = Innocent(address)
    others = [Innocent(address) for _ in range(count)]
    over = threading.Event()

    def run(one: Innocent) -> None:
        while not over.is_set():
            one.ask()
            time.sleep(_PAUSE)

    threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in others]
    for thread in threads:
        thread.start()
    try:
        yield [own, *others]
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for one in (own, *others):
            one.close()
