"""`fab run` and `fab shell`: a command on one host, as the service would run it, with this terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.errors import RaabError
from raab.host.running.here import Here


def run(desk: Desk, words: Sequence[str], timer: str = "", detach: bool = False) -> int:
    """The command, or a timer's, on the first of the environment's hosts, or on the one that is named. The command's own exit code.

    Raises RaabError where several are named: what is typed is for one.
    """
    desk.environment.claim()
    hosts = desk.environment.hosts
    if desk.chosen and len(hosts) > 1:
        names = ", ".join(host.name for host in hosts)
        raise RaabError(f"run: a command runs on one host, got {names}", "name one; left out, it is the first", exitcodes.BAD_INPUT)
    term = os.environ.get("TERM", "")
    with desk.runner() as runner, Here() as here:
        ran = runner.run(hosts[0].name, here, words, timer, term if re.fullmatch(r"[A-Za-z0-9._+-]{0,60}", term) else "", detach)
    if ran.unit:
        print(f"{hosts[0].name}  {ran.unit.removesuffix('.service')}")
    return ran.code
