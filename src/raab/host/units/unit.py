"""Another unit of systemd's, for one command in surroundings that are the service's: systemd reads their lines, hands credentials over and
builds the sandbox. Standard library only."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd

_UNITS = Path("/run/systemd/system")
_RESULTS = ("Failed with result", "Failed at step", "Main process exited", "Failed to run 'start'")
_NAME = re.compile(r"raabnow(?P<pid>[0-9]+)x[0-9]+\.service")
_numbers = itertools.count()


def into(output: int, errors: int) -> str:
    """The lines by which a unit prints to two descriptors of this process."""
    return f"StandardOutput=file:/proc/{os.getpid()}/fd/{output}\nStandardError=file:/proc/{os.getpid()}/fd/{errors}\n"


class Unit:
    """A unit with these lines, this command and these `streams`, under way from here on until `end`.

    Its lines are in a file and no words of a command, which everybody could read with what they say. Everybody can ask systemd for all of
    a unit, too, and of this one nothing that the service's own does not tell.
    """

    def __init__(self, directives: str, command: str, streams: str) -> None:
        # No dash, for drop-ins of raab-.service.d would count for it, and for the service they do not (systemd.unit(5)).
        self.name = f"raabnow{os.getpid()}x{next(_numbers)}.service"
        self.file = _UNITS / self.name
        # Never made: its being there tells everybody that systemd runs (sd_booted(3)).
        if not self.file.parent.is_dir():
            raise RaabError(f"systemd: does not run here, got no {self.file.parent}", "raab's hosts are systemd's")
        end_abandoned()
        self.file.write_text(
            "[Unit]\nDescription=what a service of raab would be started with\n"
            f"[Service]\nType=oneshot\nTimeoutStartSec=infinity\nKillSignal=SIGKILL\n{directives}"
            f"LogLevelMax=warning\n{streams}ExecStart={command}\n",
            encoding="utf-8",
            errors="surrogateescape",
        )
        self.file.chmod(0o644)
        self.began = int(time.time())
        words = ("systemctl", "start", self.name)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def wait(self, seconds: float | None = None) -> str:
        """What systemctl said of its failure; empty when its command ended well. Raises TimeoutError when it has not ended within so many
        seconds."""
        try:
            _, refusal = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return (refusal.strip() or "systemctl does not say why") if self.process.returncode else ""

    def reason(self) -> str:
        """Why it failed, by systemd's own word; empty where it has none."""
        told = systemd.journal(self.name, self.began)
        reasons = [line.partition(": ")[2] for line in told if line.startswith(self.name)]
        # What came of it follows, or is written before it by another process.
        return next((reason for reason in reasons if not reason.startswith(_RESULTS)), next(iter(reasons), ""))

    def end(self) -> None:
        """Nothing of it is left afterwards."""
        if self.process.poll() is None:
            systemd.order("systemctl", "stop", self.name)
            self.process.communicate()
        elif self.process.returncode:
            systemd.order("systemctl", "reset-failed", self.name)
        self.file.unlink()


def end_abandoned() -> None:
    """Those whose process was killed before it could end them: what they left would run for ever, and nobody waits for its word."""
    for file in _UNITS.glob("raabnow*.service"):
        found = _NAME.fullmatch(file.name)
        if found and not Path("/proc", found["pid"]).exists():
            systemd.order("systemctl", "stop", file.name)
            systemd.order("systemctl", "reset-failed", file.name)
            file.unlink(missing_ok=True)
