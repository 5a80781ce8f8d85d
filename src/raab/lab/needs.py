"""What a machine must have to carry a lab; one sentence and the way out for each thing that is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from raab.errors import RaabError

PROGRAMS = {
    "systemd-nspawn": "systemd-container", "debootstrap": "debootstrap", "ip": "iproute2", "ssh": "openssh-client",
    "ssh-keygen": "openssh-client", "unshare": "util-linux", "setpriv": "util-linux",
}  # fmt: skip


def missing(platform: str, uid: int, which: Callable[[str], str | None]) -> RaabError | None:
    """The first reason why there can be no lab, None if there can."""
    if platform != "linux":
        return RaabError(f"lab: its hosts are Linux containers, got {platform!r}", "use Linux, or --env with hosts of your own")
    if uid != 0:
        return RaabError(f"lab: only root can start hosts, got user id {uid}", "run the same command as root, e.g. with sudo")
    absent = [program for program in PROGRAMS if which(program) is None]
    if absent:
        packages = sorted({PROGRAMS[program] for program in absent})
        return RaabError(f"lab: programs are missing, got none called {', '.join(absent)}", f"apt-get install {' '.join(packages)}")
    return None


def require() -> None:
    """Raises RaabError if this machine cannot carry a lab."""
    reason = missing(sys.platform, os.geteuid(), shutil.which)
    if reason:
        raise reason
