"""`raab run -- COMMAND` and `raab shell`: as the service would run it, in the current release, at this terminal or without one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from raab import exitcodes
from raab.errors import RaabError
from raab.host import systemd
from raab.host.beside import timers
from raab.host.paths import Paths
from raab.host.running.attend import attend
from raab.host.running.begin import attached, detached
from raab.host.running.here import Here
from raab.host.running.round import Round


def run(paths: Paths, args: argparse.Namespace) -> int:
    """The command's own exit code, and 128 and a signal's number where one has ended it."""
    words: list[str] = args.words
    if bool(words) == bool(args.timer):
        got = f"{args.timer} and {words[0]}" if words else "nothing after --"
        hint = f"{paths.typed} run -- flask routes; {paths.typed} run cleanup for what a timer runs; {paths.typed} shell for a shell"
        raise RaabError(f"run: names no command, or two, got {got}", hint, exitcodes.BAD_INPUT)
    if args.timer:
        return run_timer(paths, args.timer, args.detach)
    if args.detach:
        require_root(paths)
        print(told(detached(paths, words)))
        return exitcodes.DONE
    return at_this_terminal(paths, words)


def at_this_terminal(paths: Paths, words: Sequence[str]) -> int:
    """The framework's shell for no words."""
    require_root(paths)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with Here() as here, attached(paths, words, here.size, os.environ.get("TERM", "")) as running:
        here.begin()
        return attend(running, here)


def run_timer(paths: Paths, name: str, detach: bool) -> int:
    """What a timer runs, now. Ctrl-C leaves it to itself: it may be one of the timer's own."""
    require_root(paths)
    unit = timers.named(paths, name)
    if detach:
        systemd.must("systemctl", "start", "--no-block", unit)
        print(told(unit))
        return exitcodes.DONE
    with Here() as here, Round(unit) as running:
        return attend(running, here)


def require_root(paths: Paths) -> None:
    if os.geteuid() != 0:
        raise RaabError(f"run: only root may act as {paths.user}, got user id {os.geteuid()}", "use sudo", exitcodes.BAD_INPUT)


def told(unit: str) -> str:
    """How to look after a command that nobody waits for."""
    name = unit.removesuffix(".service")
    return (
        f"{name}\nhint: `systemctl status {name}` says how it does, `journalctl -u {name}` what it prints; `systemctl stop {name}` ends it"
    )
