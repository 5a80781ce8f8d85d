"""Free a host from a deployer that is stuck, or from an activation that is. Standard library only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from raab import exitcodes
from raab.errors import RaabError
from raab.host import journal, systemd
from raab.host.paths import Paths
from raab.host.releases import current_release
from raab.host.session import facts, follow, lock
from raab.protocol.answers import Activated, Step, Unlocked, Verdict
from raab.protocol.conversation import Event
from raab.protocol.requests import Activate, Hooks, Unlock

Emit = Callable[[Event], None]
# Carries an activation out, to its verdict.
Activation = Callable[[Activate], Activated]
# Releases that stay after a way back that nobody has planned.
KEEP = 5
# Beyond what systemd gives it: an activation that is told to end goes back first.
ENDING_SECONDS = follow.GOING_BACK_SECONDS + 30


def unlock(paths: Paths, request: Unlock, emit: Emit, activation: Activation) -> Unlocked:
    """End the session that holds the lock, and the lock with it. With `force` also the activation under way: one complete release serves
    afterwards. The answer names who held it, and the activation with its verdict; without one it goes on.
    """
    freed = Unlocked(lock.free(paths.lock))
    # Nobody else begins meanwhile.
    held = lock.acquire(paths.lock, {"who": request.who, "machine": request.machine, "what": "unlock"})
    try:
        asked = follow.asked_for(paths)
        if asked is None or not follow.activating(paths) or facts.has_verdict(paths):
            return freed
        freed = freed._replace(activation=asked.release)
        return freed._replace(verdict=ended(paths, asked, request, emit, activation)) if request.force else freed
    finally:
        os.close(held)


def ended(paths: Paths, asked: Activate, request: Unlock, emit: Emit, activation: Activation) -> Verdict:
    """End the activation; the verdict on the host. It goes back by itself, and where it cannot even do that, another one does."""
    emit(Step(f"ending the activation of {asked.release}"))
    main = systemd.show(paths.activation_unit, "MainPID").get("MainPID", "0")
    done = systemd.order("systemctl", "stop", paths.activation_unit, timeout=ENDING_SECONDS)
    if done.returncode and follow.activating(paths):
        raise RaabError(
            f"unlock: the activation does not end, not even killed, got process {main}",
            f"it waits for the kernel, perhaps for a disk: `cat /proc/{main}/stack` on the host; a reboot ends it",
        )
    if isinstance(verdict := next(reversed(follow.events(paths)), None), Verdict):
        return verdict
    release = back(paths, asked.release)
    if release is None:
        raise RaabError(
            f"unlock: the activation has ended, and nothing served before it, got {asked.release}", "deploy again", exitcodes.FAILED
        )
    emit(Step(f"it has ended without a word: {release} is made current"))
    condemned = asked.release if asked.release != release else ""
    token = secrets.token_hex(16)
    leading_back = Activate(release, token, "revert", KEEP, condemned, False, asked.drill, Hooks(), request.who, request.machine)
    return activation(leading_back).verdict


def back(paths: Paths, release: str) -> str | None:
    """What served before the activation of a release, by its own word at its beginning; where that was nothing, what `current` names."""
    begun = [entry for entry in journal.read(paths.journal) if entry.get("release") == release and entry.get("verdict") == "begun"]
    named = (str(begun[-1].get("from")) if begun else "", current_release(paths) or "")
    return next((name for name in named if name and name != "None" and paths.manifest(name).exists()), None)
