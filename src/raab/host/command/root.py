"""Root's program as it is installed on a host (raab.host.session.program), for everybody who starts it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from raab import servicename
from raab.errors import RaabError, of_machine
from raab.host.paths import RAAB, Paths
from raab.plain import plain

# Everybody comes through here: what only some need, they import.


def main(argv: Sequence[str]) -> int:
    """`python3 -IS /usr/local/lib/raab WORD NAME`: with `ask` it is a command of the unit of that name, `ahead` tells who looks what its
    next start would come to. With `part` it does root's part for a unit that asks, with `command` it is what an operator types as `raab`
    (/usr/local/bin/raab); with `activate NAME RELEASE` it is an activation, with `edge` a command of the edge's unit.

    Units of earlier releases have root run `reload` and `started`; the first of them say no name, which means raab's own, and for a reload
    nothing at all.
    """
    word, *more = argv or ("reload",)
    if word == "command":
        from raab.host.command.cli import main as typed

        return typed(more)
    pid = os.environ.get("MAINPID", "")
    # Whoever started it may have variables that lead into a release.
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    # systemd's way to end what takes too long; what was begun is to be undone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if word == "part":
        import socket

        from raab.host.command import part

        channel = socket.socket(fileno=0)
        part.end_with(channel)
        part.answer(channel, *carried_out(lambda: part.do(channel, {"start-post": kept, "reload": reloaded})))
        return 0
    if word == "edge":
        code, text = carried_out(lambda: edges(pid, *more))
        if text:
            print(text, file=sys.stderr)
        return code
    if word == "activate":
        try:
            name, release = more
            return activated(Paths(name), release)
        except (RaabError, OSError) as error:
            print(of_machine(error) if isinstance(error, OSError) else error, file=sys.stderr)
            return 1
    code, text = carried_out(lambda: by_systemd(word, *(more or (RAAB,))))
    if text:
        print(text, file=sys.stderr if code else sys.stdout)
    return code


def by_systemd(word: str, name: str, *more: str) -> str:
    works = {"ask": asked, "reload": reloaded, "started": kept, "ahead": looked}
    if word not in works or more or servicename.wrong(name):
        said = " ".join((word, name, *more))
        raise RaabError(f"raab: unknown word, got {said}", "it is for units; a deploy by a newer raab brings the words of its own")
    return works[word](Paths(name))


def carried_out(work: Callable[[], str]) -> tuple[int, str]:
    """Its exit code, and what is to be said of it."""
    try:
        return 0, work()
    except RaabError as error:
        return error.exit_code, "\n".join(plain(line, 2000) for line in str(error).splitlines())


def activated(paths: Paths, release: str) -> int:
    """As the unit that a session starts for it. Exit code 0 when the release serves, 4 when it does not."""
    from raab.host.activation.held import Asked
    from raab.host.activation.task import Task, Teller
    from raab.protocol.answers import Verdict

    try:
        task = Task.read(paths, release)
    except RaabError as error:
        # Who has started it waits for a verdict.
        Teller(paths).verdict(Verdict(ok=False, switched=False, reason=error.message, hint=error.hint))
        return error.exit_code
    asked = None
    # First of all, for it is loaded while the rest is imported here; but not before a hook that is to come first, nor by who is to end.
    if task.before is None and not task.restart:
        with suppress(RaabError):
            asked = Asked(paths, release)
    from raab.host.activation.activation import Activation

    return Activation(paths, task, asked).run()


def edges(pid: str, *words: str) -> str:
    from raab.host.edge.command import carry_out
    from raab.host.paths import EdgePaths

    return carry_out(EdgePaths(), " ".join(words), pid)


def asked(paths: Paths) -> str:
    from raab.host.command import part

    return part.ask(paths)


def kept(paths: Paths) -> str:
    from raab.host.renewal import directives

    directives.keep(paths)
    return ""


def reloaded(paths: Paths) -> str:
    """Raises RaabError unless a new generation of the current release serves with what a start would get."""
    from raab.host.renewal.reload import reload

    return reload(paths)


def looked(paths: Paths) -> str:
    import json

    from raab.host.renewal import ahead
    from raab.protocol.reading import plainly

    return json.dumps(plainly(ahead.look(paths)))
