"""Another unit of systemd's, started for what it says: the command and the lines are ours, the surroundings that systemd makes of them."""

from __future__ import annotations

import fcntl
import itertools
import os
import subprocess
import time
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd

_UNITS = Path("/run/systemd/system")
_SECONDS = 60
# Bytes: a megabyte of credentials, which is all that systemd hands out, in base64, and some variables.
_MOST = 4 << 20
_RESULTS = ("Failed with result", "Failed at step", "Main process exited", "Failed to run 'start'")
_numbers = itertools.count()


class Unit:
    """A unit with these lines and this command, under way from here on until `finish`.

    Everybody can ask systemd for all of a unit, and of this one nothing that the service's own does not tell. What it says is written to
    memory of a size that it cannot change.
    """

    def __init__(self, directives: str, command: str) -> None:
        # No dash, for drop-ins of raab-.service.d would count for it, and for the service they do not (systemd.unit(5)).
        self.name = f"raabnow{os.getpid()}x{next(_numbers)}.service"
        self.file = _UNITS / self.name
        # Never made: its being there tells everybody that systemd runs (sd_booted(3)).
        if not self.file.parent.is_dir():
            raise RaabError(f"systemd: does not run here, got no {self.file.parent}", "raab's hosts are systemd's")
        self.output, self.errors = memory(), memory()
        self.file.write_text(
            f"[Unit]\nDescription=what a service of raab would be started with\n[Service]\nType=oneshot\n{directives}LogLevelMax=warning\n"
            f"StandardOutput=file:/proc/{os.getpid()}/fd/{self.output}\nStandardError=file:/proc/{os.getpid()}/fd/{self.errors}\n"
            f"TimeoutStartSec=infinity\nKillSignal=SIGKILL\nExecStart={command}\n"
        )
        self.file.chmod(0o644)
        self.began = int(time.time())
        words = ("systemctl", "start", self.name)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self, seconds: float) -> tuple[bytes, str]:
        """What its command printed, and why it failed if it did. Raises TimeoutError when it has not ended within so many seconds."""
        try:
            _, refusal = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            said, complaint = self.end()
        if not self.process.returncode:
            return said, ""
        told = systemd.journal(self.name, self.began)
        systemd.order("systemctl", "reset-failed", self.name)
        reasons = [line.partition(": ")[2] for line in told if line.startswith(self.name)]
        # What came of it follows, or is written before it by another process.
        first = next((reason for reason in reasons if not reason.startswith(_RESULTS)), next(iter(reasons), refusal.strip()))
        return said, complaint.decode(errors="replace").strip() or first

    def end(self) -> tuple[bytes, bytes]:
        """Nothing of it is left afterwards. What it printed, and what it complained of."""
        if self.process.poll() is None:
            systemd.order("systemctl", "stop", self.name)
            self.process.communicate()
        self.file.unlink()
        return content(self.output), content(self.errors)


def run(directives: str, command: str) -> tuple[bytes, str]:
    """Start a unit with these lines; return what its command printed, and why it failed if it did."""
    try:
        return Unit(directives, command).finish(_SECONDS)
    except TimeoutError:
        return b"", f"{command}: did not end within {_SECONDS} s"


def memory() -> int:
    """A descriptor."""
    descriptor = os.memfd_create("said", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, _MOST)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


def content(descriptor: int) -> bytes:
    """What was written to memory, which ends here."""
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(0)
        return stream.read().rstrip(b"\0")
