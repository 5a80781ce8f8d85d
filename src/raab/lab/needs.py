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
ELSEWHERE = "--env NAME with hosts of your own, as deploy/NAME.yaml has them"


def missing(platform: str, uid: int, which: Callable[[str], str | None]) -> RaabError | None:
    """The first reason why there can be no lab, None if there can. Deploying itself needs none of it: that is always the other way out."""
    if platform != "linux":
        return RaabError(f"lab: its hosts are Linux containers, got {platform!r}", f"use Linux, or {ELSEWHERE}")
    if uid != 0:
        return RaabError(f"lab: only root can start hosts, got user id {uid}", f"run the same command as root, or {ELSEWHERE}")
    absent = [program for program in PROGRAMS if which(program) is None]
    if absent and which("apt-get") is None:
        problem = f"lab: its hosts are Debian's, made by Debian's tools, got none called {', '.join(absent)}, and no apt-get"
        return RaabError(problem, f"use Debian or Ubuntu, or {ELSEWHERE}")
    if absent:
        packages = sorted({PROGRAMS[program] for program in absent})
        return RaabError(f"lab: programs are missing, got none called {', '.join(absent)}", f"apt-get install {' '.join(packages)}")
    return None


def require() -> None:
    """Raises RaabError if this machine cannot carry a lab."""
    reason = missing(sys.platform, os.geteuid(), shutil.which)
    if reason:
        raise reason
