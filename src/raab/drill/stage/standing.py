"""What the service says of itself, as `raab status --json` has it."""

from __future__ import annotations

import msgspec


class Worker(msgspec.Struct, frozen=True):
    """One worker, as `raab status` shows it."""

    pid: int
    generation: int
    phase: str
    age: float


class Verdict(msgspec.Struct, frozen=True):
    """What became of the last reload; `at` in seconds since the epoch."""

    good: bool
    reason: str
    at: float
    seconds: float
    replaced: bool


class Loading(msgspec.Struct, frozen=True):
    """How the generation that serves, or the one on its way, was loaded: `shared` by a template, or by `each` worker, and then why."""

    mode: str
    why: str


class Template(msgspec.Struct, frozen=True):
    """The process that the workers of a generation are forked from, once it is ready."""

    pid: int
    generation: int
    ready: bool


class Status(msgspec.Struct, frozen=True):
    """What `raab status --json` says. `pid` is the master's."""

    pid: int
    release: str
    generation: int
    incoming: int | None
    target: int
    reload: Verdict | None
    workers: tuple[Worker, ...]
    load: Loading = Loading("each", "")
    templates: tuple[Template, ...] = ()

    @property
    def serving(self) -> tuple[int, ...]:
        """The workers that serve and are to stay, oldest first."""
        return tuple(worker.pid for worker in self.workers if worker.phase == "serving")

    @property
    def settled(self) -> bool:
        """Whether exactly the wanted workers serve, all of one generation; those that retire may still be there."""
        new = {worker.generation for worker in self.workers if worker.phase != "retiring"}
        booting = any(worker.phase == "booting" for worker in self.workers)
        return self.incoming is None and not booting and new == {self.generation} and len(self.serving) == self.target
