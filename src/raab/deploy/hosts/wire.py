"""The program that a host runs for a connection: one fixed command, everything else on its stdin."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import raab
from raab.deploy.bundle import checkout
from raab.errors import RaabError
from raab.host.session import first

FIRST = "raab.host.session.first"
_SOURCE = Path(raab.__file__).parent.parent
_IMPORTS = re.compile(r"^ *from (raab[.\w]*) import (.+)$", re.MULTILINE)

NO_PYTHON = "raab:no-python"
NO_SUDO = "raab:no-sudo"
OLD_PYTHON = "raab:old-python"

# Whose login shell is tcsh or fish writes its commands otherwise, so these are for /bin/sh, as one word in single quotes. Every shell takes
# that as it stands if it is one line and has neither quote nor exclamation mark in it. Isolated and without site: neither the host's
# environment nor its site-packages take part.
BOOT = (
    "import sys,zlib;"
    rf"sys.version_info<(3,10) and sys.exit(\"{OLD_PYTHON} \"+sys.version.split()[0]);"
    "i=sys.stdin.buffer;"
    "exec(zlib.decompress(i.read(int(i.readline()))))"
)
BEGIN = (
    f"command -v PYTHON >/dev/null 2>&1 || {{ echo {NO_PYTHON} >&2; exit 1; }}; "
    'become=; if test "$(id -u)" -ne 0; then become="sudo -n"; '
    f"command -v sudo >/dev/null 2>&1 || {{ echo {NO_SUDO} >&2; exit 1; }}; fi; "
    f'exec $become PYTHON -IS -c "{BOOT}"'
)


def command(python: str = "python3") -> str:
    """What sshd is asked to run, the same for every purpose, user and login shell: an interpreter that reads its program from stdin."""
    return f"exec /bin/sh -c '{BEGIN.replace('PYTHON', python)}'"


@cache
def beginning() -> bytes:
    """What a connection begins with, compressed and led by its length: it looks whether the host has the program, and begins with that."""
    source = f"{text(FIRST)}\nsys.exit(begin({digest()!r}))\n"
    packed = zlib.compress(source.encode(), 9)
    return b"%d\n%s" % (len(packed), packed)


@cache
def program() -> bytes:
    """All of the program, for a host that lacks it."""
    packed = zlib.compress(json.dumps(roots_program()).encode(), 9)
    return b"%s%d\n%s" % (first.ANNOUNCED, len(packed), packed)


@cache
def digest() -> str:
    return first.digest_of({name: text.encode() for name, text in roots_program().items()})


@cache
def version() -> str:
    """Of the raab that this is, and behind a + which build of it, where anything tells: the seconds of its commit, by the wheel's build
    number (packaging.python.org, binary distribution format) or by its checkout."""
    about = metadata.distribution("raab")
    found = re.search(r"^Build: ([0-9]+)$", about.read_text("WHEEL") or "", re.MULTILINE)
    seconds = int(found[1]) if found else committed()
    return f"{about.version}+{seconds}" if seconds else about.version


def committed() -> int:
    """When, of the checkout that this is; 0 where it is none that git can read."""
    root = _SOURCE.parent
    try:
        return checkout.head(root)[1] if (root / ".git").exists() else 0
    except (RaabError, OSError):
        return 0


@cache
def roots_program() -> dict[str, str]:
    """All of the host's code, with what it imports: what a session is, and what is installed on a host as root's own, a text for each
    file by its path."""
    files = sorted(place("raab.host").with_suffix("").rglob("[!_]*.py"))
    names = closure(".".join(path.relative_to(_SOURCE).with_suffix("").parts) for path in files)
    packages = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)}
    texts = {f"{name.replace('.', '/')}/__init__.py": "" for name in packages}
    # What is alike stands close by its name, which packs better.
    return dict(sorted({**texts, **{f"{name.replace('.', '/')}.py": text(name) for name in names}}.items()))


def closure(names: Iterable[str]) -> tuple[str, ...]:
    """These modules, all that they import of raab, and that in turn."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += imported(text(name))
    return tuple(found)


def imported(source: str) -> list[str]:
    """The modules of raab that a source imports, wherever in it."""
    found: list[str] = []
    for package, names in _IMPORTS.findall(source):
        folder = place(package).with_suffix("")
        found += [f"{package}.{name.strip()}" for name in names.split(",")] if folder.is_dir() else [package]
    return found


def text(module: str) -> str:
    return place(module).read_text(encoding="utf-8")


def place(module: str) -> Path:
    return _SOURCE.joinpath(*module.split(".")).with_suffix(".py")
