"""`fab restart --rolling`, `fab reboot`: host after host out of the balancer's pool, ready, and back; no further one where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.deploy.hosts.fleet import everywhere
from raab.deploy.hosts.runner import Runner
from raab.deploy.plan.facts import HostFacts
from raab.errors import RaabError
from raab.protocol.answers import Acted, Timed

COLUMNS = ("host", "result", "seconds out")


class Act(NamedTuple):
    """What is done to a host that is out of the pool: the verb, how it is told while it is done and afterwards, and the doing."""

    verb: str
    doing: str
    done: str
    do: Callable[[Runner, str], object]


RESTART = Act(
    "restart --rolling", "restarting", "restarted", lambda runner, name: runner.ask(name, "service", Acted, lasts=True, action="restart")
)
REBOOT = Act("reboot", "rebooting", "rebooted", lambda runner, name: runner.reboot(name))


class Turn(NamedTuple):
    """What came of a host: how long it was out of the pool, in seconds; and why it did not come back, which is where all of it stops."""

    seconds: float = 0.0
    error: RaabError | None = None


def roll(desk: Desk, act: Act, at_once: int, wait: float) -> int:
    """Do it to each host in turn, at most `at_once` of them out at a time. The exit code.

    Raises RaabError before anything is done where a host cannot be asked or does not serve: it would be another one less.
    """
    environment = desk.environment
    environment.claim()
    names = tuple(host.name for host in environment.hosts)
    # Whoever chooses hosts has others that serve meanwhile.
    if at_once < 1 or (not desk.chosen and at_once >= len(names)):
        problem = f"{act.verb}: one host serves all the while, got {at_once} of {len(names)} at once"
        hint = "fewer by --at-once; `fab restart` alone restarts all at once, and connections wait meanwhile"
        raise RaabError(problem, hint, exitcodes.BAD_INPUT)
    with desk.runner() as runner:
        known = runner.facts()
        for error in known.failed.values():
            raise error
        fit(known.done)
        runner.lock(names, f"{act.verb} in turn", wait)
        turns = Rolling(runner, act, environment.notice).carry_out(names, at_once)
    desk.console.table(COLUMNS, [row(name, act, turns.get(name)) for name in names])
    failed = {name: turn.error for name, turn in turns.items() if turn.error}
    for error in failed.values():
        print(f"\n{error}")
    if failed:
        print(f"\nstopped at {', '.join(failed)}; {len(names) - len(turns)} of {len(names)} hosts were left as they were")
    return max((error.exit_code for error in failed.values()), default=exitcodes.DONE)


def fit(facts: Mapping[str, HostFacts]) -> None:
    """Raises RaabError for a host that does not serve."""
    for name, host in facts.items():
        state = host.service.get("ActiveState", "unknown")
        if not host.current or state not in ("active", "reloading"):
            problem = f"host {name}: its service does not serve, got {state if host.current else 'no release'}"
            raise RaabError(problem, "`fab restart` or `fab deploy` brings it back, or leave it out by --hosts", exitcodes.REFUSED)


class Rolling:
    """Hosts in turn. `notice` is how many seconds a load balancer takes to see that a host is not ready, or is again."""

    def __init__(self, runner: Runner, act: Act, notice: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self.runner = runner
        self.act = act
        self.notice = notice
        self.sleep = sleep

    def carry_out(self, names: Sequence[str], at_once: int) -> dict[str, Turn]:
        """What came of each host that had its turn: the first failure is the last turn."""
        turns: dict[str, Turn] = {}
        for begin in range(0, len(names), at_once):
            if begin:
                # Until the hosts before are in the pool again, nobody else may leave it.
                self.sleep(self.notice)
            group = names[begin : begin + at_once]
            outcome = everywhere(group, self.turn, at_once)
            turns.update(outcome.done)
            turns.update({name: Turn(error=error) for name, error in outcome.failed.items()})
            if outcome.failed:
                break
        return turns

    def turn(self, name: str) -> Turn:
        ask, progress = self.runner.ask, self.runner.progress
        began = time.monotonic()
        self.runner.stands(name, doing="its turn, in which it is drained (`fab status` says whether it stays so)")
        progress(name, f"drained: /readyz says 503; waiting until no request has come for {self.notice:g} s")
        ask(name, "drain", Timed, lasts=True, quiet=self.notice)
        progress(name, self.act.doing)
        self.act.do(self.runner, name)
        ask(name, "undrain", Timed, lasts=True)
        progress(name, "ready, and back in the pool")
        self.runner.stands(name, doing="")
        return Turn(time.monotonic() - began)


def row(name: str, act: Act, turn: Turn | None) -> tuple[str, ...]:
    if turn is None:
        return (name, "untouched", "-")
    return (name, "failed", "-") if turn.error else (name, act.done, f"{turn.seconds:.1f}")
