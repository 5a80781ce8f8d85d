"""The program that a host runs for a connection: one fixed command, everything else on its stdin."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import raab

ENTRY = "raab.host.session.session"
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

# Modules are made when they are imported: most requests need few of them, and each costs the host its compilation.
LOADER = """
import sys
from importlib.machinery import ModuleSpec
class Sent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in SOURCES:
            return ModuleSpec(name, Sent, is_package=name in PACKAGES)
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        exec(compile(SOURCES[module.__name__], module.__name__, "exec"), module.__dict__)
sys.meta_path.insert(0, Sent)
from raab.host.session.session import main
sys.exit(main())
"""


def command(python: str = "python3") -> str:
    """What sshd is asked to run, the same for every purpose, user and login shell: an interpreter that reads its program from stdin."""
    return f"exec /bin/sh -c '{BEGIN.replace('PYTHON', python)}'"


@cache
def program() -> bytes:
    """The session program, compressed, led by its length."""
    # What is alike stands close by its name, which packs better.
    sources = {name: lean(text(name)) for name in sorted(closure((ENTRY,)))}
    packages = sorted({".".join(name.split(".")[:depth]) for name in sources for depth in range(1, name.count(".") + 1)})
    sources |= dict.fromkeys(packages, "")
    packer = zlib.compressobj(9, memLevel=9)
    packed = packer.compress(f"SOURCES = {sources!r}\nPACKAGES = {packages!r}\n{LOADER}".encode()) + packer.flush()
    return b"%d\n%s" % (len(packed), packed)


def lean(source: str) -> str:
    """The same without the lines that are comments, and what functions and classes say of themselves; each line keeps its number."""
    # What looks like a comment within a text is a part of it.
    code = re.sub(r'("""(?:[^"]|"(?!""))*""")|^ *#.*$', lambda match: match[1] or "", source, flags=re.MULTILINE)
    return re.sub(r'^( +)"""[^"]*"""$', lambda match: f'{match[1]}""' + "\n" * match[0].count("\n"), code, flags=re.MULTILINE)


def version() -> str:
    """Of the raab that this is."""
    return metadata.version("raab")


@cache
def roots_program() -> dict[str, str]:
    """All of the host's code, with what it imports: what is installed on a host as root's own, a text for each module."""
    files = sorted(place("raab.host").with_suffix("").rglob("[!_]*.py"))
    names = closure(".".join(path.relative_to(_SOURCE).with_suffix("").parts) for path in files)
    packages = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)}
    return {**dict.fromkeys(sorted(packages), ""), **{name: text(name) for name in names}}


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
