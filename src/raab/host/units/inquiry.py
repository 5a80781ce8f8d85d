"""A unit that is started for what it prints. Standard library only."""

from __future__ import annotations

import fcntl
import os

from raab.host.units.unit import Unit, into
from raab.plain import last_words

_SECONDS = 60
# Bytes: a megabyte of credentials, which is all that systemd hands out, in base64, and some variables.
_MOST = 4 << 20


class Inquiry:
    """A unit with these lines and this command, under way from here on until `finish`. What it prints is written to memory, of a size that
    it cannot change."""

    def __init__(self, directives: str, command: str) -> None:
        self.output, self.errors = memory(), memory()
        self.unit = Unit(directives, command, into(self.output, self.errors))

    def finish(self, seconds: float) -> tuple[bytes, str]:
        """What its command printed, and why it failed if it did. Raises TimeoutError when it has not ended within so many seconds."""
        try:
            refusal = self.unit.wait(seconds)
            why = refusal and (self.unit.reason() or refusal)
        finally:
            said, complaint = self.end()
        return said, why and (last_words(complaint.decode(errors="replace")) or why)

    def end(self) -> tuple[bytes, bytes]:
        """Nothing of it is left afterwards. What it printed, and what it complained of."""
        self.unit.end()
        return content(self.output), content(self.errors)


def run(directives: str, command: str) -> tuple[bytes, str]:
    """Start a unit with these lines; return what its command printed, and why it failed if it did."""
    try:
        return Inquiry(directives, command).finish(_SECONDS)
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
