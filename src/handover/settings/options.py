"""What the hand-over needs to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Options:
    """Settings of the hand-over. Being a value of gunicorn's own configuration, they are replaced and put back with all others.

    workers_min, workers_max: bounds of the number of workers that signals and the control socket can ask for.
    load_timeout: seconds in which a template, or a worker that loads by itself, has to have the application loaded and asked.
    linger: seconds for which a retiring worker goes on waiting for the next request of an idle connection.
    head_timeout: seconds in which the first request's head has to arrive on a new connection.
    one_by_one: replace one worker after the other instead of all at once.
    check: a path of the application that has to answer with a 2xx status before a new generation takes over.
    shared: fork workers from a template that has loaded the application, unless that turns out to be unsafe; else each loads by itself.
    prepare: called in the process that is about to load the application, when gevent's patches are made.
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
    shared: bool = True
    prepare: Callable[[], None] | None = None
    root: str | None = None
    target_file: str | None = None
    control: str | None = None
