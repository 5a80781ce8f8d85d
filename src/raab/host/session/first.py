"""What a connection begins with: it starts root's program from where a deploy has put it, where that is as it was sent, and asks for it
elsewhere. Standard library only, and nothing of raab's: its text is the first that is sent, before there is anything of raab's."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from typing import Any

# As in raab.host.paths (roots_own) and raab.protocol.conversation, which are not here yet.
HOME = "/usr/local/lib/raab"
PATIENCE_SECONDS = 30
# A program is a file's text by its path, packed; no more than so many bytes of texts.
MOST = 1 << 22
LACKING = b'\n{"event": "lacking"}\n'
ANNOUNCED = b"program "


def begin(digest: str, home: str = HOME) -> int:
    """Run the session of the program with that digest, and return its exit code."""
    # What root writes here is for others to read, and for nobody else to write, whatever its login says.
    os.umask(0o022)
    files = kept(f"{home}/{digest}", digest)
    if files is None or not private(f"{home}/{digest}"):
        files = received()
        sys.meta_path.insert(0, Sent(files))
    else:
        # It is at work, and stays as long as that (raab.host.session.program).
        os.utime(f"{home}/{digest}")
        sys.path.insert(0, f"{home}/{digest}")
    from raab.host.session.session import main

    return main(files)


def digest_of(files: Mapping[str, bytes]) -> str:
    """The SHA-256 of all of it, names and texts."""
    return hashlib.sha256(b"".join(b"%s\0%d\0%s" % (name.encode(), len(text), text) for name, text in sorted(files.items()))).hexdigest()


def kept(home: str, digest: str) -> dict[str, bytes] | None:
    """The program in that folder, a text for each path: None unless it has that digest, and all that lies there is it and root's alone."""
    try:
        if next(faults(home), ""):
            return None
        files = {name: read(path) for path, name in below(home) if name.endswith(".py")}
    except OSError:
        return None
    return files if digest_of(files) == digest else None


def faults(home: str) -> Iterator[str]:
    """What lies in that folder and is not of a program that root alone writes, its bytecode included: a line each."""
    for path, name in ((home, ""), *below(home)):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) if name else not stat.S_ISDIR(found.st_mode):
            yield f"{path}: neither a file nor a folder"
        elif open_to_others(found):
            yield f"{path}: not root's alone to write"
        elif name and not name.endswith((".py", ".pyc")):
            yield f"{path}: nothing of raab's"


def open_to_others(found: os.stat_result) -> bool:
    return found.st_uid not in (0, os.geteuid()) or bool(found.st_mode & 0o022)


def private(folder: str) -> bool:
    """Whether nobody but root can put another folder in its place."""
    while folder != "/":
        folder = os.path.dirname(folder)  # noqa: PTH120  pathlib would take longer to import than all of this.
        found = os.lstat(folder)
        # Where the sticky bit is set, each removes only what is his own.
        if not stat.S_ISDIR(found.st_mode) or (open_to_others(found) and not found.st_mode & stat.S_ISVTX):
            return False
    return True


def below(home: str, folder: str = "") -> Iterator[tuple[str, str]]:
    """All that lies there: each path, and its name as the program has it, empty for a folder's."""
    with os.scandir(f"{home}/{folder}") as entries:
        for entry in entries:
            name = folder + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield entry.path, ""
                yield from below(home, f"{name}/")
            else:
                yield entry.path, name


def read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def received() -> dict[str, bytes]:
    """The program as the deployer sends it when he hears that it is lacking. What he has said before that he says again."""
    sys.stdout.buffer.write(LACKING)
    sys.stdout.buffer.flush()
    # Nobody handles this signal: it ends the process.
    signal.alarm(PATIENCE_SECONDS)
    source = sys.stdin.buffer
    line = source.readline()
    while line and not line.startswith(ANNOUNCED):
        line = source.readline()
    packed = source.read(int(line.split()[1])) if line else sys.exit(0)
    signal.alarm(0)
    told: dict[str, str] = json.loads(zlib.decompressobj().decompress(packed, MOST))
    return {name: text.encode() for name, text in told.items()}


class Sent:
    """Finds modules in what was sent, and makes them when they are imported: most requests need few of them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        place = name.replace(".", "/")
        found = next((file for file in (f"{place}.py", f"{place}/__init__.py") if file in self.files), None)
        return found and ModuleSpec(name, self, origin=found, is_package=found.endswith("/__init__.py"))  # type: ignore[return-value,arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        origin = module.__spec__.origin
        exec(compile(self.files[origin], origin, "exec"), module.__dict__)
