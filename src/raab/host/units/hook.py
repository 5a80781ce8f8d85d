"""A deployer's own commands on a host (hooks, and what migrates a database), in the service's own surroundings. Standard library only.

Each is a unit with the lines of the release's unit and the host's drop-ins, read by systemd as those of the service are: its user,
environment, credentials and sandbox, and no more but what its entry asks for, and what a framework's commands find the project by.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host import processes, systemd
from raab.host.paths import Paths
from raab.host.processes import Process
from raab.host.units import launching, sandbox, surroundings
from raab.host.units.unit import Unit, into
from raab.plain import plain
from raab.protocol.requests import Command

# Seconds that systemd may take beyond the limit, which it keeps itself, whatever becomes of this process.
_BEYOND = 30
# Seconds in which what a command started may end by itself: helpers of an interpreter's end a moment after it.
_MOMENT = 0.5
# Of what it prints, the end.
_BYTES, _LINES, _LETTERS = 1 << 16, 500, 2000
# systemd's own exit codes, of what never came to be the command (systemd.exec(5)).
_OF_SYSTEMD = range(200, 246)
# Whatever keeps a unit from the network. Families only where the unit names some, since these would be all then.
_NETWORK = (
    "PrivateNetwork=no", "NetworkNamespacePath=", "IPAddressAllow=", "IPAddressDeny=", "IPIngressFilterPath=", "IPEgressFilterPath=",
    "RestrictNetworkInterfaces=",
)  # fmt: skip
_FAMILIES = "RestrictAddressFamilies="


def run(paths: Paths, release: Path, name: str, command: Command, say: Callable[[str], None], folder: Path | None = None) -> None:
    """Run a command in a release's folder, or in another one, and pass on the lines that it printed, fit for a terminal. Nothing that it
    started is left afterwards. Raises RaabError with the last of them when it fails, or has not ended within its limit."""
    where = name if folder else f"hook {name}"
    began = time.monotonic()
    lines = directives(paths, release, folder or release, command, where)
    output = Output()
    # The shell gets the command as it stands: systemd takes neither variables nor specifiers for its own.
    words = f":{launching.prefix(release)}/bin/sh -c {sandbox.quoted(command.command)}"
    unit = Unit(lines, words, into(output.writer, output.writer))
    left: list[Process] = []
    try:
        refusal = unit.wait(command.timeout + _BEYOND)
        left = [] if refusal else left_by(unit)
        why = refusal and reason(unit, command.timeout)
    except TimeoutError:
        why = f"did not end within {command.timeout:g} s"
    finally:
        # It is active although its command has ended, so that what that left is there to be seen.
        systemd.order("systemctl", "stop", unit.name)
        unit.end()
        said = output.end()
    for line in said:
        say(line)
    if why:
        last = " / ".join(said)[-2000:]
        text = f"{where}: {why} after {time.monotonic() - began:.1f} s, got: {last or 'no word'}"
        raise RaabError(text, "it runs as the service does: its user, sandbox, environment and credentials", exitcodes.FAILED)
    if left:
        names = ", ".join(f"{one.name} ({one.pid})" for one in left[:5]) + (", ..." if len(left) > 5 else "")
        say(f"{where}: what it left running was ended, got {names}")
        say("hint: a command here ends with all that it starts; what is to stay is a service of its own")


def directives(paths: Paths, release: Path, folder: Path, command: Command, where: str) -> str:
    """The lines of the unit. Raises RaabError for a path that is not to be written."""
    lines = surroundings.of_command(paths, release, folder)
    more: list[str] = []
    if command.network:
        families = any(line.startswith(_FAMILIES) for line in lines.splitlines())
        more += [*_NETWORK, *([f"{_FAMILIES}AF_UNIX AF_INET AF_INET6"] if families else [])]
    for path in command.write:
        word = sandbox.quoted(str(writable(paths, path, where)))
        # What can be written there cannot be executed, as elsewhere in the sandbox.
        more += [f"ReadWritePaths={word}", f"NoExecPaths={word}"]
    more += ["RemainAfterExit=yes", f"TimeoutStartSec={command.timeout * 1000:.0f}ms"]
    return lines + "".join(f"{line}\n" for line in more)


def writable(paths: Paths, path: str, where: str) -> Path:
    """Where a path of that name leads to. Raises RaabError where nothing is, and for what is raab's own or above it, or the kernel's."""
    found = Path(path).resolve()
    if not found.exists():
        raise RaabError(f"{where}: write: no such path on this host, got {path}", "make it there, as the service's user")
    own = (paths.root, paths.configuration, paths.roots_own, paths.bin, paths.deploying, paths.etc / "systemd", Path("/run/systemd"))
    if any(found == one or found in one.parents or one in found.parents for one in map(Path.resolve, own)):
        raise RaabError(f"{where}: write: holds what raab and systemd run by, got {path}", "name a folder of the service's own data")
    if any(Path(kernels) in (found, *found.parents) for kernels in ("/proc", "/sys", "/dev")):
        raise RaabError(f"{where}: write: the kernel's own, got {path}", "name a folder of the service's own data")
    return found


def left_by(unit: Unit) -> list[Process]:
    """The processes that are there a moment after the command has ended."""
    end = time.monotonic() + _MOMENT
    while (left := processes.within(unit.name)) and time.monotonic() < end:
        time.sleep(_MOMENT / 20)
    return left


def reason(unit: Unit, limit: float) -> str:
    """What became of a command that did not end well."""
    found = systemd.show(unit.name, "Result", "ExecMainStatus")
    result, status = found.get("Result", "unknown"), int(found.get("ExecMainStatus", "0"))
    if result == "timeout":
        return f"did not end within {limit:g} s, and was ended"
    if result in ("signal", "core-dump"):
        return f"ended by signal {status}"
    if result == "exit-code":
        return f"exit code {status}" + (f" ({unit.reason()})" if status in _OF_SYSTEMD else "")
    return unit.reason() or result


class Output:
    """The end of what is written to `writer`, read while it is written: whoever writes neither waits nor fills memory."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.kept: deque[bytes] = deque()
        self.size = 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        while block := os.read(self.reader, _BYTES):
            self.kept.append(block)
            self.size += len(block)
            while self.size - len(self.kept[0]) >= _BYTES:
                self.size -= len(self.kept.popleft())

    def end(self) -> list[str]:
        """The last lines. Nobody writes any more."""
        os.close(self.writer)
        self.thread.join()
        os.close(self.reader)
        lines = b"".join(self.kept)[-_BYTES:].decode(errors="replace").splitlines()
        return [plain(line, _LETTERS) for line in lines[-_LINES:]]
