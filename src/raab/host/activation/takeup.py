"""Have the service take up the release that `current` names."""

from __future__ import annotations

import time
from typing import Any

from raab.errors import RaabError
from raab.host import systemd
from raab.host.activation import asofnow, others
from raab.host.activation.held import judge
from raab.host.activation.task import Teller
from raab.host.master import loading
from raab.host.master.control import ask
from raab.host.master.conversation import PATIENCE, Unanswered
from raab.host.paths import Paths
from raab.host.processes import children
from raab.host.renewal.twin import Now
from raab.host.restart import restart as restart_service


def told(paths: Paths) -> dict[str, Any]:
    """What the running service tells; empty when none runs."""
    try:
        return ask(paths, 5, verb="status")
    except RaabError:
        return {}


def loaded_by_each(paths: Paths) -> str:
    """Why the workers that serve now cannot share one load of the application, in one line; empty when they do, or cannot tell."""
    load = told(paths).get("load") or {}
    return loading.told("each", load["why"]) if load.get("mode") == "each" else ""


def serving(paths: Paths) -> frozenset[int]:
    """The workers that are to answer now: those that the master names, and that the kernel calls its children. None while there is no
    master; raises Stopped when there is to be none."""
    try:
        status = ask(paths, 5, verb="status")
    except Unanswered:
        others.require_running(paths.unit, 0)
        return frozenset()
    return frozenset(worker["pid"] for worker in status["workers"] if worker["phase"] != "retiring") & children(status["pid"])


def _reload(paths: Paths, more: dict[str, Any], teller: Teller) -> dict[str, Any]:
    """The verdict on a reload. A master of before there were such requests is followed by one that knows them, with the same variables."""
    try:
        return ask(paths, PATIENCE, verb="reload", trial=False, **more)
    except RaabError as error:
        if not more or "not a request" not in error.message:
            raise
    teller.step(f"the master of before takes up no changed variables; systemctl reload {paths.name} does, from now on")
    return ask(paths, PATIENCE, verb="reload", trial=False)


def take_up(paths: Paths, restart: str, waits: float, teller: Teller, wanted: Now | None = None) -> None:
    """By new workers, or by a start where the service does not run or `restart` says why only a new process will do.

    `waits` is how many seconds a generation may take to load, `wanted` what a start would get, where the service has something else.
    Raises RaabError when it does not serve; after a hand-over the old workers serve on.
    """
    active = systemd.is_active(paths.unit)
    if active and not restart:
        teller.step("handing over to new workers")
        began = time.time()
        with asofnow.given(paths, wanted) as more:
            judge(paths.unit, _reload(paths, more, teller), began, "reload: the new workers do not serve")
        return
    verb = "restart" if active else "start"
    reason = f" ({restart})" if active else ""
    teller.step(f"systemctl {verb} {paths.name}{reason}")
    systemd.order("systemctl", "reset-failed", paths.unit)
    began = time.time()
    done = restart_service(paths, waits + 90) if active else systemd.order("systemctl", verb, paths.unit, timeout=waits + 90)
    if done.returncode:
        said = systemd.last_words(paths.unit, began) or done.stderr.strip()
        raise RaabError(f"systemctl {verb} {paths.name}: exit code {done.returncode}, got: {said}")
