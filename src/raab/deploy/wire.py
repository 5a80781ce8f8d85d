"""The program that a host runs for a connection: one fixed command, everything else on its stdin."""

from __future__ import annotations

import shlex
import zlib
from functools import cache
from importlib import resources

# In the order of their imports. Each imports the standard library and those before it.
MODULES = (
    "raab.errors",
    "raab.host.paths",
    "raab.host.journal",
    "raab.untrusted",
    "raab.host.processes",
    "raab.host.lock",
    "raab.host.facts",
    "raab.host.durable",
    "raab.host.receive",
    "raab.host.verify",
    "raab.host.unpack",
    "raab.host.install",
    "raab.host.systemd",
    "raab.host.follow",
    "raab.host.answers",
    "raab.host.restart",
    "raab.host.service",
    "raab.host.session",
)

NO_PYTHON = "raab:no-python"
NO_SUDO = "raab:no-sudo"
OLD_PYTHON = "raab:old-python"

BOOT = (
    "import sys,zlib\n"
    f"if sys.version_info<(3,10):sys.exit('{OLD_PYTHON} '+sys.version.split()[0])\n"
    "i=sys.stdin.buffer\n"
    "exec(zlib.decompress(i.read(int(i.readline()))))"
)

# Modules are made when they are imported: most requests need few of them, and each costs the host its compilation.
LOADER = """
import sys
from importlib.machinery import ModuleSpec
class Sent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in SOURCES:
            return ModuleSpec(name, Sent, is_package=name in ("raab", "raab.host"))
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        exec(compile(SOURCES[module.__name__], module.__name__, "exec"), module.__dict__)
sys.meta_path.insert(0, Sent)
from raab.host.session import main
sys.exit(main())
"""


def command(sudo: bool) -> str:
    """What sshd is asked to run, the same for every purpose: an interpreter that reads its program from stdin."""
    elevate = ""
    check = f"command -v python3 >/dev/null 2>&1 || {{ echo {NO_PYTHON} >&2; exit 1; }}; "
    if sudo:
        check += f"command -v sudo >/dev/null 2>&1 || {{ echo {NO_SUDO} >&2; exit 1; }}; "
        elevate = "sudo -n "
    # Isolated and without site: neither the host's environment nor its site-packages take part.
    return f"{check}exec {elevate}python3 -IS -c {shlex.quote(BOOT)}"


@cache
def program() -> bytes:
    """The session program, compressed, led by its length."""
    sources = {"raab": "", "raab.host": ""}
    for name in MODULES:
        package, _, module = name.rpartition(".")
        sources[name] = resources.files(package).joinpath(module + ".py").read_text()
    packed = zlib.compress(f"SOURCES = {sources!r}\n{LOADER}".encode(), 9)
    return b"%d\n%s" % (len(packed), packed)
