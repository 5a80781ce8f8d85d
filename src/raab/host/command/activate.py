"""`raab activate ID`: make a release the current one, proved by answers, or leave the host as it was.

What a deploy does last, for an operator: under the same lock, and apart from his terminal.
"""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import sys
from contextlib import suppress

from raab import exitcodes
from raab.errors import RaabError
from raab.host.command import root
from raab.host.paths import RELEASE_ID, Paths
from raab.host.processes import control_group
from raab.host.session import follow, lock
from raab.host.session.session import start
from raab.protocol.answers import Line, Step
from raab.protocol.conversation import Event
from raab.protocol.requests import Activate, Hooks

# Releases that stay afterwards.
KEEP = 5


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Exit code 0 when the release serves, 4 when it does not."""
    release: str = args.release
    if os.geteuid() != 0:
        raise RaabError("activate: only root may switch releases", "use sudo", exitcodes.BAD_INPUT)
    if not RELEASE_ID.match(release) or not paths.manifest(release).exists():
        raise RaabError(f"activate: no such release on this host, got {release}", f"see `ls {paths.releases}`", exitcodes.BAD_INPUT)
    if control_group(os.getpid()).endswith(f"/{paths.activation_unit}"):
        # A session of an earlier raab has started it, as the activation itself.
        return root.activated(paths, release)
    who, machine = os.environ.get("SUDO_USER") or "root", platform.node()
    held = lock.acquire(paths.lock, {"who": who, "machine": machine, "what": f"{paths.typed} activate {release}"})
    try:
        return carried_out(paths, Activate(release, secrets.token_hex(16), "activate", KEEP, "", False, False, Hooks(), who, machine))
    except KeyboardInterrupt:
        print(f"the activation of {release} goes on by itself; `{paths.typed} status` says what serves", file=sys.stderr)
        raise
    finally:
        os.close(held)


def carried_out(paths: Paths, request: Activate) -> int:
    start(paths, request)
    verdict = follow.follow(paths, say, request.token).verdict
    if not verdict.ok:
        raise RaabError(verdict.reason, verdict.hint, exitcodes.FAILED)
    print(f"{request.release} serves")
    return exitcodes.DONE


def say(event: Event) -> None:
    # It goes on, whoever reads of it.
    if isinstance(event, (Step, Line)):
        with suppress(OSError):
            print(event.text, flush=True)
