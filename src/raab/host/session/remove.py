"""Take a service off the host; the host's other services notice nothing. Standard library only.

What was begun and cut off is completed by the next one: the mark of the name goes last.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd
from raab.host.beside.become import become, sweep
from raab.host.durable import alone
from raab.host.edge import maintenance, reach, sites
from raab.host.paths import RAAB, Paths
from raab.host.releases import uid_of_user
from raab.host.session import ways
from raab.host.units import claim, services, unitfiles
from raab.plain import plain

# Seconds for the requests that it has under way, and for those of its processes that do not end by themselves.
ENDING = 180.0


def remove(paths: Paths, purge: bool, step: Callable[[str], None]) -> bool:
    """Stop the service and take away what raab has made of it; tell whether there was anything. Its own data, settings and user stay,
    unless they are to be purged. Raises RaabError where the name is not raab's, the service does not end, or its user cannot go."""
    if not claim.ours(paths):
        if found := claim.foreign(paths):
            raise RaabError(f"service {paths.name}: it is not raab's, got {', '.join(found)}", "raab removes nothing that it has not made")
        away(paths.deploying)
        return False
    there = purge or paths.root.exists() or (paths.units / paths.unit).exists()
    reach.become(paths, None, step)
    maintenance.end(paths)
    away(paths.fronts)
    become(paths, None, step)
    sweep(paths, ENDING)
    stop(paths, step)
    step("taking its files away")
    # The user stays as long as something of its own does.
    lasting = (file.target for file in unitfiles.lasting(paths) if purge or file.target.parent.name != "sysusers.d")
    for file in (paths.units / paths.unit, *lasting):
        file.unlink(missing_ok=True)
    systemd.must("systemctl", "daemon-reload")
    systemd.order("systemctl", "reset-failed", paths.unit)
    for folder in (paths.root, paths.runtime, paths.asked.parent):
        away(folder)
    for file in (paths.started, paths.token):
        file.unlink(missing_ok=True)
    # Nobody else brings root's program meanwhile, for a service that is not there yet.
    with alone(paths.roots_own):
        if not services.names(paths) and not sites.there(paths.edge):
            step("taking root's program away: it was the host's last service")
            last(paths)
    if purge:
        step("purging its data, settings and user")
        for folder in (paths.state, paths.units / f"{paths.unit}.d"):
            away(folder)
        nobody(paths)
        away(paths.configuration)
    away(paths.deploying)
    return there


def stop(paths: Paths, step: Callable[[str], None]) -> None:
    """Requests under way end; then nothing starts it again."""
    # What starts it: an operator's own socket would do so at the next request, and hold the address for ever after.
    starting = systemd.show(paths.unit, "TriggeredBy").get("TriggeredBy", "").split()
    step(f"systemctl disable --now {' '.join((paths.name, *starting))}")
    systemd.order("systemctl", "disable", "--quiet", paths.unit, *starting)
    done = systemd.order("systemctl", "stop", *starting, paths.unit, f"{RAAB}-root@{paths.name}.socket", timeout=ENDING)
    state = systemd.show(paths.unit, "ActiveState").get("ActiveState", "")
    if state not in ("inactive", "failed"):
        raise RaabError(
            f"systemctl stop {paths.name}: it did not end, got {state}: {done.stderr.strip()}", f"systemctl status {paths.name}"
        )


def nobody(paths: Paths) -> None:
    """Take its user and group away. Raises RaabError while a process is still theirs."""
    told = "".join(systemd.order(verb, paths.user).stderr for verb in ("userdel", "groupdel"))
    if uid_of_user(paths) is not None:
        hint = f"`pgrep -u {paths.user}` on the host names what is still its; then remove it again"
        raise RaabError(f"purge: the user {paths.user} stays, got {' '.join(told.split())}", hint)


def last(paths: Paths) -> None:
    for file in ways.beside(paths):
        file.unlink(missing_ok=True)
    away(paths.roots_own)
    systemd.must("systemctl", "daemon-reload")


def away(folder: Path) -> None:
    """By rm(1): what the service has made there may be deeper than Python can follow. Raises RaabError where something of it stays."""
    done = subprocess.run(("rm", "-rf", "--", str(folder)), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RaabError(f"{folder}: it cannot be taken away, got {plain(done.stderr.strip()[-500:])}", "lsattr and mount say why")
