"""Which Python may serve on a host. Pure."""

from __future__ import annotations

import re

PYTHON = "python3"
NAME = re.compile(r"\Apython3(\.[0-9]{1,3})?\Z|\A(/[A-Za-z0-9._+-]+)+\Z")
# The unit hides them from the service (ProtectHome=, systemd.exec(5)), and their modes do from its user.
HIDDEN = ("/root/", "/home/", "/run/user/")


def unreadable(path: str) -> str:
    """Why a service cannot be run by the interpreter at a path, links followed; empty where it can."""
    return f"{path} lies below {path[: path.index('/', 1)]}, which the service's user cannot see" if path.startswith(HIDDEN) else ""


def wrong(name: str) -> str:
    """What is wrong with what an environment's file calls a Python; empty where nothing is, and where it names none."""
    if name and not NAME.match(name):
        return "not a Python on PATH, such as python3.12, nor an absolute path of one"
    return unreadable(name)
