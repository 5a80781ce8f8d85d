"""Root's program as it is installed on a host (raab.host.program), for everybody who starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from raab.errors import RaabError
from raab.host.command import part
from raab.untrusted import plain


def main(argv: Sequence[str]) -> int:
    """`python3 -IS /usr/local/lib/raab`: with `ask` it is a command of the unit's, and with `part` what does root's part of that; with
    `ahead` it tells who looks what the next start would come to, and with `command` it is what an operator types as `raab`
    (/usr/local/bin/raab). Units of earlier releases have root run it without words, and with `started`.
    """
    if argv[:1] == ["command"]:
        from raab.host.command.cli import main as typed

        return typed(argv[1:])
    # Whoever started it may have variables that lead into a release.
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    # systemd's way to end what takes too long; what was begun is to be undone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if argv == ["part"]:
        channel = socket.socket(fileno=0)
        part.end_with(channel)
        part.answer(channel, *carried_out(lambda: part.wanted(channel, {"start-post": kept, "reload": reloaded})()))
        return 0
    works = {("ask",): part.ask, (): reloaded, ("started",): kept, ("ahead",): looked}
    code, text = carried_out(works.get(tuple(argv), unknown))
    if text:
        print(text, file=sys.stderr if code else sys.stdout)
    return code


def carried_out(work: Callable[[], str]) -> tuple[int, str]:
    """Its exit code, and what is to be said of it."""
    try:
        return 0, work()
    except RaabError as error:
        return error.exit_code, "\n".join(plain(line, 2000) for line in str(error).splitlines())


def kept() -> str:
    from raab.host.renewal import directives

    directives.keep()
    return ""


def reloaded() -> str:
    """Raises RaabError unless a new generation of the current release serves with what a start would get."""
    from raab.host.renewal.reload import reload

    return reload()


def looked() -> str:
    from raab.host.renewal import ahead

    return json.dumps(ahead.look())


def unknown() -> str:
    raise RaabError(f"raab: unknown word, got {sys.argv[1]}", "it is the unit's program, and not for people")
