"""Doing the same on many hosts at once, with a cap, and one result for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from raab.errors import RaabError

T = TypeVar("T")
R = TypeVar("R")


class Outcome(Generic[R]):
    """What came of it on each host, by the host's name: a value or an error, never neither."""

    def __init__(self) -> None:
        self.done: dict[str, R] = {}
        self.failed: dict[str, RaabError] = {}


def everywhere(names: Iterable[str], work: Callable[[str], R], parallel: int) -> Outcome[R]:
    """Call `work` for each name, at most `parallel` at a time. An expected error on one host leaves the others alone."""
    outcome: Outcome[R] = Outcome()

    def guarded(name: str) -> tuple[str, R | RaabError]:
        try:
            return name, work(name)
        except RaabError as error:
            return name, error

    todo = list(names)
    if not todo:
        return outcome
    pool = ThreadPoolExecutor(min(parallel, len(todo)))
    try:
        for name, result in pool.map(guarded, todo):
            if isinstance(result, RaabError):
                outcome.failed[name] = result
            else:
                outcome.done[name] = result
    finally:
        # Whoever interrupts does not wait for hosts; their connections are closed next, which ends the threads that listen to them.
        pool.shutdown(wait=False, cancel_futures=True)
    return outcome
