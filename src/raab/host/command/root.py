"""Root's program as it is installed on a host (raab.host.program), for everybody who starts it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence

from raab.errors import RaabError
from raab.plain import plain


def main(argv: Sequence[str]) -> int:
    """`python3 -IS /usr/local/lib/raab`: without words it is ExecReload= of the unit, with `started` its ExecStartPost=, with `ahead` it
    tells who looks what the next start would come to, and with `command` it is what an operator types as `raab` (/usr/local/bin/raab)."""
    if argv[:1] == ["command"]:
        from raab.host.command.cli import main as typed

        return typed(argv[1:])
    works = {(): reloaded, ("started",): kept, ("ahead",): looked}
    return by_systemd(works.get(tuple(argv), unknown))


def by_systemd(work: Callable[[], None]) -> int:
    # systemd hands the service's variables to this command too; they may lead it into a release.
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    # systemd's way to end what takes too long; what was begun is to be undone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        work()
    except RaabError as error:
        print("\n".join(plain(line, 2000) for line in str(error).splitlines()), file=sys.stderr)
        return error.exit_code
    return 0


def kept() -> None:
    from raab.host.renewal import directives

    directives.keep()


def reloaded() -> None:
    """Raises RaabError unless a new generation of the current release serves with what a start would get."""
    from raab.host.renewal.reload import reload

    print(reload())


def looked() -> None:
    from raab.host.renewal import ahead

    print(json.dumps(ahead.look()))


def unknown() -> None:
    raise RaabError(f"raab: unknown word, got {sys.argv[1]}", "it is the unit's program, and not for people")
