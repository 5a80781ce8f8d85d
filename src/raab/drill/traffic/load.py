"""Sends a mix of traffic from processes of its own while something else happens, and accounts for every request."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from raab.drill.traffic.account import Account, Mark
from raab.drill.traffic.http import Place, name
from raab.drill.traffic.values import Client, Kind, Mix, Sample
from raab.errors import RaabError

FIRST_ANSWER = 15.0


class Load:
    """A context in which traffic flows: entering returns when every sender has had an answer, leaving when every request has its end.

    `targets` are hosts (numeric addresses) and ports, or paths of UNIX sockets. Raises RaabError if no answer comes
    within 15 s, or a sender dies.
    """

    def __init__(self, targets: Sequence[Place], mix: Mix, senders: int = 1) -> None:
        self._targets = tuple(targets)
        self._mix = mix
        self._senders = [_Sender() for _ in range(senders)]
        self._marks: list[Mark] = []

    def __enter__(self) -> Load:
        order = {"mix": dataclasses.asdict(self._mix), "targets": self._targets, "share": 1 / len(self._senders)}
        try:
            for sender in self._senders:
                sender.start(json.dumps(order))
            end = time.monotonic() + FIRST_ANSWER
            for sender in self._senders:
                if not sender.answered.wait(max(0.0, end - time.monotonic())):
                    last = sender.samples[-1].detail if sender.samples else "nothing"
                    targets = ", ".join(map(name, self._targets))
                    raise RaabError(f"load: no answer from {targets} within {FIRST_ANSWER:.0f} s, got {last}", "is the service up?")
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._kill()
            return
        for sender in self._senders:
            sender.stop()
        # Each request has its own time limit; beyond it only the last report is due.
        limit = self._mix.timeout + max(self._mix.planned(client) for client in Client) + 10
        for sender in self._senders:
            sender.join(limit)

    def mark(self, text: str) -> float:
        """Notes that something happens now; returns the moment (seconds of the monotonic clock)."""
        mark = Mark(time.monotonic(), text)
        self._marks.append(mark)
        return mark.at

    @contextmanager
    def during(self, text: str) -> Iterator[None]:
        """Marks the begin and the end of the block as `<text> begin` and `<text> end`."""
        self.mark(f"{text} begin")
        try:
            yield
        finally:
            self.mark(f"{text} end")

    @property
    def account(self) -> Account:
        """What is known by now; once the context is left, of every request."""
        return Account(tuple(sample for sender in self._senders for sample in tuple(sender.samples)), tuple(self._marks))

    @property
    def requests(self) -> int:
        """How many requests have come to their end by now."""
        return sum(len(sender.samples) for sender in self._senders)

    @property
    def failures(self) -> tuple[Sample, ...]:
        """Those among them that got no good answer: known at once, where an account has to look at every request."""
        return tuple(sample for sender in self._senders for sample in tuple(sender.failures))

    def _kill(self) -> None:
        for sender in self._senders:
            sender.kill()


class _Sender:
    """One sender process and the thread that reads its reports."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.failures: list[Sample] = []
        self.answered = threading.Event()
        self._begun = -1
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self, order: str) -> None:
        # From the root folder, because the project's own holds a gunicorn.py.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "raab.drill.traffic.sender"], cwd=os.sep, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._tell(order)
        self._reader.start()

    def stop(self) -> None:
        self._tell("stop")

    def _tell(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise RaabError(f"load: a sender died, got exit code {self._process.wait()}", "its error stands above") from error

    def join(self, limit: float) -> None:
        """Waits for the sender's end; raises RaabError unless it has reported every request that it began."""
        self._reader.join(limit)
        self.kill()
        if self._begun != len(self.samples):
            ratio = f"{len(self.samples)} of {self._begun}"
            raise RaabError(f"load: a sender did not account for all its requests, got {ratio}", "its error stands above")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    pipe.close()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            if isinstance(report, int):
                self._begun = report
                return
            for client, kind, *rest in report:
                sample = Sample(Client(client), Kind(kind), *rest)
                self.samples.append(sample)
                if sample.kind is not Kind.OK:
                    self.failures.append(sample)
            if any(kind == Kind.OK.value for _, kind, *_ in report):
                self.answered.set()
