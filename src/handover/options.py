"""What the hand-over needs to be told, and how gunicorn's configuration file hands it over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter


@dataclass(frozen=True)
class Options:
    """Settings of the hand-over. An instance is gunicorn's `on_starting` hook: called by it, it takes charge of the arbiter.

    Being a value of gunicorn's own configuration, it is replaced and put back together with all other settings.

    workers_min, workers_max: bounds of the number of workers that signals and the control socket can ask for.
    load_timeout: seconds in which a worker has to be able to answer after its fork.
    linger: seconds for which a retiring worker goes on waiting for the next request of an idle connection.
    head_timeout: seconds in which the first request's head has to arrive on a new connection.
    one_by_one: replace one worker after the other instead of all at once.
    check: a path of the application that has to answer with a 2xx status before a worker of a new generation takes over.
    trial: the command of a trial load, made before a reload that asks for one; its exit status 0 accepts the code.
    root: the symbolic link through which the release is reached, as the master began with it; workers resolve it once, when they are
    forked.
    target_file: where the number of workers wanted is kept. control: path of the control socket.
    """

    workers_min: int = 1
    workers_max: int = 32
    load_timeout: float = 30.0
    linger: float = 15.0
    head_timeout: float = 15.0
    one_by_one: bool = False
    check: str | None = None
    trial: tuple[str, ...] = ()
    root: str | None = None
    target_file: str | None = None
    control: str | None = None
    shared: bool = True
    prepare: Callable[[], None] | None = None

    def __call__(self, server: Arbiter) -> None:
        from handover.arbiter import HandoverArbiter

        HandoverArbiter.take_charge(server)
