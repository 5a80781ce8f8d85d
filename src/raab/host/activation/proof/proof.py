"""Prove which release serves: by answers from every worker over the real socket, not by what anybody reports. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from raab.errors import RaabError
from raab.host.activation.proof import probe

# Seconds for which the first answers are waited for. Where they come later, all the next ones are given twice the time: what is let go of
# keeps its place in the queue of a host that is behind with its work, and another one behind it would come no sooner.
PATIENCE = 5.0
_LEAST = 0.1
# A UNIX socket whose queue is full has nobody wait.
_LATE = (TimeoutError, BlockingIOError)


class Proof(NamedTuple):
    """Which workers answered for the release, and how many answers that took."""

    release: str
    workers: tuple[int, ...]
    answers: int


class Late(RaabError):
    """Answers that did not come in time, and none that says otherwise."""


def prove(binds: Sequence[str], token: str, release: str, workers: Callable[[], frozenset[int]], limit: float) -> Proof:
    """Ask at each address until every worker has answered with `release`, and nobody with another one in the round that completes it.

    `token` is what the service knows the activation by. `workers` names the process ids of those that must answer, as of now; `limit` is
    in seconds. Raises RaabError when it is over, Late where nothing was wrong but the time that answers took.
    """
    end = time.monotonic() + limit
    shown = [prove_at(target, token, release, workers, limit, end) for target in probe.targets(binds)]
    if not shown:
        raise RaabError("proof: there is no address to ask at", "server.bind, in the settings, names one")
    return Proof(release, shown[-1].workers, sum(one.answers for one in shown))


def prove_at(target: probe.Target, token: str, release: str, workers: Callable[[], frozenset[int]], limit: float, end: float) -> Proof:
    """At one address, until `end` in seconds of the monotonic clock, which is `limit` seconds after the beginning."""
    seen: set[int] = set()
    answers = 0
    patience = PATIENCE
    strangers: set[str] = set()
    errors: set[int] = set()
    while True:
        wanted = workers()
        # Whoever hangs may be replaced meanwhile, and is not waited for to the end.
        until = min(time.monotonic() + patience, end)
        got, troubles = burst(target, token, max(4, 4 * len(wanted)), until)
        late = bool(troubles) and all(isinstance(trouble, _LATE) for trouble in troubles)
        patience *= 2 if late else 1
        answers += len(got)
        # What has been wrong stays so until there are answers without it.
        if got:
            strangers = {answer.release or "none" for answer in got if answer.release != release}
            # Release and worker stand in any answer, an error's too.
            errors = {answer.status for answer in got if answer.status != 200}
        seen |= {answer.worker for answer in got if answer.release == release and answer.status == 200}
        if wanted and wanted <= seen and not strangers and not errors and not troubles:
            return Proof(release, tuple(sorted(wanted)), answers)
        if time.monotonic() > end:
            kind = Late if wanted and late and not strangers and not errors else RaabError
            trouble = str(troubles[-1]) or type(troubles[-1]).__name__ if troubles else ""
            raise kind(failure(f"{release} at {target}", wanted - seen, strangers, errors, trouble, limit))
        time.sleep(0.005)


def burst(target: probe.Target, token: str, count: int, until: float) -> tuple[list[probe.Answer], list[OSError]]:
    """Open `count` connections at once and ask on each: one after another, they might all go to the same idle worker. What has not
    answered by that moment of the monotonic clock is let go of."""
    answers: list[probe.Answer] = []
    troubles: list[OSError] = []
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            try:
                connections.append(stack.enter_context(probe.connect(target, left(until))))
            except OSError as error:
                troubles.append(error)
        for connection in connections:
            try:
                connection.sendall(probe.request(token))
            except OSError as error:
                troubles.append(error)
        for connection in connections:
            try:
                connection.settimeout(left(until))
                answers.append(probe.read_answer(connection))
            except OSError as error:
                troubles.append(error)
    return answers, troubles


def left(until: float) -> float:
    """Seconds, and never none: what is there already is taken."""
    return max(_LEAST, until - time.monotonic())


def failure(what: str, silent: frozenset[int] | set[int], strangers: set[str], errors: set[int], trouble: str, limit: float) -> str:
    reasons = []
    if strangers:
        reasons.append(f"answers from release {', '.join(sorted(strangers))}")
    if silent:
        reasons.append(f"no answer from worker {', '.join(map(str, sorted(silent)))}")
    if trouble:
        reasons.append(f"a connection that failed ({trouble})")
    if errors:
        reasons.append(f"answers with status {', '.join(map(str, sorted(errors)))}")
    return f"proof: not every worker served {what} within {limit:.0f} s, got {'; '.join(reasons) or 'no workers'}"
