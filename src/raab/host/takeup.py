"""Have the service take up the release that `current` names."""

from __future__ import annotations

import time

from raab.errors import RaabError
from raab.host import systemd
from raab.host.control import ask
from raab.host.paths import UNIT
from raab.host.task import Teller


def take_up(restart: bool, waits: float, teller: Teller) -> None:
    """Hand over to new workers, or start the service where it does not run or `restart` says that only a new process will do.

    `waits` is how many seconds a generation may take to load. Raises RaabError when it does not serve; after a hand-over the old
    workers serve on.
    """
    active = systemd.is_active()
    if active and not restart:
        teller.step("handing over to new workers")
        hand_over(waits)
        return
    verb = "restart" if active else "start"
    reason = " (the unit changed in what only a new process takes up)" if active else ""
    teller.step(f"systemctl {verb} raab{reason}")
    systemd.order("systemctl", "reset-failed", UNIT)
    began = time.time()
    done = systemd.order("systemctl", verb, UNIT, timeout=waits + 90)
    if done.returncode:
        raise RaabError(f"systemctl {verb} raab: exit code {done.returncode}, got: {systemd.last_words(began) or done.stderr.strip()}")


def hand_over(waits: float) -> None:
    """What `systemctl reload raab` does, without its trial: whoever switches releases has seen to that."""
    began = time.time()
    verdict = ask(5 * waits + 10, verb="reload", trial=False)
    if not verdict["good"]:
        raise RaabError(f"reload: the new workers do not serve, got {verdict['reason']}\n{systemd.last_words(began)}".rstrip())
