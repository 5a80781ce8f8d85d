"""`raab settings`: what an activation has to know of the release's settings, as JSON (raab.host.master.answers.settings reads it)."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence

from raab.factory.configFactory import load_settings
from raab.host.master.answers import SPOKEN


def run(args: argparse.Namespace) -> int:
    """Where the service will listen, and for how many seconds it may load. Raises ConfigError with everything that is wrong."""
    server = load_settings().server
    told = {"speaks": SPOKEN, "bind": list(server.addresses), "admin_port": server.admin_port, "load_timeout": server.load_timeout}
    print(json.dumps({**told, "barred": barred(server.addresses)}))
    return 0


def barred(binds: Sequence[str]) -> list[str]:
    """The folders of UNIX sockets to which this process may not write: root does not see what a sandbox leaves."""
    folders = {os.path.dirname(bind.removeprefix("unix:")) for bind in binds if bind.startswith("unix:")}  # noqa: PTH120
    return sorted(folder for folder in folders if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK))  # noqa: PTH112
