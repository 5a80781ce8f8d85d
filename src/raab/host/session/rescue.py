"""Free a host from a deployer that is stuck, or from an activation that is. Standard library only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host import journal, systemd
from raab.host.paths import Paths
from raab.host.releases import current_release
from raab.host.session import facts, follow, lock
from raab.protocol.requests import Activate, Hooks, Unlock

Emit = Callable[[dict[str, Any]], None]
# Carries an activation out, to its verdict.
Activation = Callable[[Activate], dict[str, Any]]
# Releases that stay after a way back that nobody has planned.
KEEP = 5
# Beyond what systemd gives it: an activation that is told to end goes back first.
ENDING_SECONDS = follow.GOING_BACK_SECONDS + 30


def unlock(paths: Paths, request: Unlock, emit: Emit, activation: Activation) -> dict[str, Any]:
    """End the session that holds the lock, and the lock with it. With `force` also the activation under way: one complete release serves
    afterwards. The answer names who held it, and the activation with its verdict; without one it goes on.
    """
    freed: dict[str, Any] = {"holder": lock.free(paths.lock), "activation": None, "verdict": None}
    # Nobody else begins meanwhile.
    held = lock.acquire(paths.lock, {"who": request.who, "machine": request.machine, "what": "unlock"})
    try:
        asked = follow.asked_for(paths)
        if asked is None or not follow.activating(paths) or facts.has_verdict(paths):
            return freed
        freed["activation"] = asked.release
        return {**freed, "verdict": ended(paths, asked, request, emit, activation)} if request.force else freed
    finally:
        os.close(held)


def ended(paths: Paths, asked: Activate, request: Unlock, emit: Emit, activation: Activation) -> dict[str, Any]:
    """End the activation; the verdict on the host. It goes back by itself, and where it cannot even do that, another one does."""
    emit({"event": "step", "text": f"ending the activation of {asked.release}"})
    main = systemd.show(paths.activation_unit, "MainPID").get("MainPID", "0")
    done = systemd.order("systemctl", "stop", paths.activation_unit, timeout=ENDING_SECONDS)
    if done.returncode and follow.activating(paths):
        raise RaabError(
            f"unlock: the activation does not end, not even killed, got process {main}",
            f"it waits for the kernel, perhaps for a disk: `cat /proc/{main}/stack` on the host; a reboot ends it",
        )
    if facts.has_verdict(paths):
        return dict(follow.events(paths)[-1])
    release = back(paths, asked.release)
    if release is None:
        raise RaabError(
            f"unlock: the activation has ended, and nothing served before it, got {asked.release}", "deploy again", exitcodes.FAILED
        )
    emit({"event": "step", "text": f"it has ended without a word: {release} is made current"})
    condemned = asked.release if asked.release != release else ""
    token = secrets.token_hex(16)
    leading_back = Activate(release, token, "revert", KEEP, condemned, False, asked.drill, Hooks(), request.who, request.machine)
    verdict: dict[str, Any] = activation(leading_back)["verdict"]
    return verdict


def back(paths: Paths, release: str) -> str | None:
    """What served before the activation of a release, by its own word at its beginning; where that was nothing, what `current` names."""
    begun = [entry for entry in journal.read(paths.journal) if entry.get("release") == release and entry.get("verdict") == "begun"]
    named = (str(begun[-1].get("from")) if begun else "", current_release(paths) or "")
    return next((name for name in named if name and name != "None" and paths.manifest(name).exists()), None)
