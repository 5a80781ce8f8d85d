"""Root's program as it is installed on a host (raab.host.program), for everybody who starts it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence

from raab import servicename
from raab.errors import RaabError
from raab.host.paths import RAAB, Paths
from raab.untrusted import plain


def main(argv: Sequence[str]) -> int:
    """`python3 -IS /usr/local/lib/raab WORD NAME`: `reload` is ExecReload= of the service of that name, `started` its ExecStartPost=, and
    `ahead` tells who looks what its next start would come to. With `command` it is what an operator types as `raab`
    (/usr/local/bin/raab).

    Units of before services had names say none, which means raab's own, and for a reload nothing at all.
    """
    word, *more = argv or ("reload",)
    if word == "command":
        from raab.host.command.cli import main as typed

        return typed(more)
    return by_systemd(word, *(more or (RAAB,)))


def by_systemd(word: str, name: str, *more: str) -> int:
    # systemd hands the service's variables to this command too; they may lead it into a release.
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    # systemd's way to end what takes too long; what was begun is to be undone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    works: dict[str, Callable[[Paths], None]] = {"reload": reloaded, "started": kept, "ahead": looked}
    try:
        if word not in works or more or servicename.wrong(name):
            raise RaabError(f"raab: unknown word, got {' '.join((word, name, *more))}", "it is the unit's program, and not for people")
        works[word](Paths(name))
    except RaabError as error:
        print("\n".join(plain(line, 2000) for line in str(error).splitlines()), file=sys.stderr)
        return error.exit_code
    return 0


def kept(paths: Paths) -> None:
    from raab.host.renewal import directives

    directives.keep(paths)


def reloaded(paths: Paths) -> None:
    """Raises RaabError unless a new generation of the current release serves with what a start would get."""
    from raab.host.renewal.reload import reload

    print(reload(paths))


def looked(paths: Paths) -> None:
    from raab.host.renewal import ahead

    print(json.dumps(ahead.look(paths)))
