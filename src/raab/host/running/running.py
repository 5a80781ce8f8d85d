"""One command as the service would run it: its user, sandbox, environment, credentials and folder, in a release. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

from raab.errors import RaabError
from raab.host import systemd
from raab.host.units.unit import Unit
from raab.protocol.streams import BLOCK, Size

# As a shell tells it of what was ended by a signal.
_SIGNALLED = 128
# systemd's own exit codes, of what never came to be the command (systemd.exec(5)).
_OF_SYSTEMD = range(200, 246)
# What is ended has ten seconds for it.
_ENDING = "KillSignal=SIGTERM\nTimeoutStopSec=10\n"
# Who started a command may be killed, and has no time to end it.
_WATCHING = 'read -r _ || exec systemctl stop --no-block "$1"'


class Running:
    """It is under way from here on: in a terminal of its own of that size, or with three pipes. To be used by `with`, after which nothing
    is left of it. `news` becomes readable when it has ended, and when all that it has said was told."""

    def __init__(self, directives: str, command: str, size: Size | None) -> None:
        self.outputs: dict[int, int] = {}
        self.theirs: tuple[int, ...] = ()
        self.typed = bytearray()
        self.closing = self.ended = False
        self.refusal = ""
        self.news, self.notice = os.pipe()
        self.terminal = size is not None
        streams = self.with_terminal(size) if size else self.with_pipes()
        self.unit = Unit(directives + _ENDING, command, streams)
        watch = ("/bin/sh", "-c", _WATCHING, "sh", self.unit.name)
        nothing = subprocess.DEVNULL
        self.watch = subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, start_new_session=True)
        self.waiter = threading.Thread(target=self.wait, daemon=True)
        self.waiter.start()

    def with_pipes(self) -> str:
        theirs, self.input = os.pipe()
        (output, first), (errors, second) = os.pipe(), os.pipe()
        self.outputs, self.theirs = {output: 1, errors: 2}, (theirs, first, second)
        os.set_blocking(self.input, False)
        for descriptor in self.theirs:
            # Who has one may open it once more by its name (/dev/stderr), whoever he is.
            os.fchmod(descriptor, 0o666)
        folder = f"/proc/{os.getpid()}/fd"
        return f"StandardInput=file:{folder}/{theirs}\nStandardOutput=file:{folder}/{first}\nStandardError=file:{folder}/{second}\n"

    def with_terminal(self, size: Size) -> str:
        self.input, theirs = os.openpty()
        self.outputs, self.theirs = {self.input: 1}, (theirs,)
        os.set_blocking(self.input, False)
        self.resize(size)
        # A shell at a terminal heeds nothing but a hangup.
        return f"SendSIGHUP=yes\nStandardInput=tty\nStandardOutput=tty\nStandardError=tty\nTTYPath={os.ttyname(theirs)}\n"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        systemd.order("systemctl", "stop", self.unit.name)
        self.waiter.join()
        self.unit.end()
        self.watch.communicate(b"\n")
        # The other descriptors go with this process, which was for this command.

    def wait(self) -> None:
        """In a thread of its own, until systemd says what came of it."""
        self.refusal = self.unit.wait()
        os.write(self.notice, b"e")

    def tell(self, say: Callable[[int, bytes], None]) -> None:
        """Have all that it says told to this, stream by stream; who takes his time has it wait."""

        def pass_on(descriptor: int, stream: int) -> None:
            # Nobody may be there any more, which is noticed where is typed.
            with contextlib.suppress(OSError):
                for block in blocks(descriptor):
                    say(stream, block)
            del self.outputs[descriptor]
            os.write(self.notice, b"o")

        for each in self.outputs.items():
            threading.Thread(target=pass_on, args=each, daemon=True).start()

    def look(self) -> None:
        """What the news is."""
        if b"e" in os.read(self.news, BLOCK):
            self.ended = True
            for descriptor in self.theirs:
                os.close(descriptor)

    @property
    def over(self) -> bool:
        return self.ended and not self.outputs

    @property
    def waiting(self) -> tuple[int, ...]:
        """Where it shows when there is room for what was typed; empty where nothing waits."""
        return (self.input,) if self.typed and not self.ended else ()

    def type(self, block: bytes) -> None:
        """Nothing at its end."""
        self.typed += block
        self.closing = self.closing or not block
        self.feed()

    def feed(self) -> None:
        """Pass on what was typed, as far as it is taken."""
        try:
            while self.typed:
                del self.typed[: os.write(self.input, self.typed)]
        except BlockingIOError:
            return
        except OSError:
            # It has ended, or reads no more.
            self.typed.clear()
        if self.closing and not self.terminal:
            self.closing = False
            os.close(self.input)

    def resize(self, size: Size) -> None:
        """A terminal."""
        if self.terminal:
            fcntl.ioctl(self.input, termios.TIOCSWINSZ, struct.pack("4H", size.rows, size.columns, 0, 0))

    def stop(self) -> None:
        """Have it end."""
        systemd.order("systemctl", "stop", "--no-block", self.unit.name)

    def code(self) -> int:
        """Of what has ended. Raises RaabError when it never came to be the command."""
        if not self.refusal:
            return 0
        found = systemd.show(self.unit.name, "ExecMainCode", "ExecMainStatus")
        how, status = int(found.get("ExecMainCode") or 0), int(found.get("ExecMainStatus") or 0)
        failed = status in _OF_SYSTEMD and any("Failed at step" in line for line in systemd.journal(self.unit.name, self.unit.began))
        if not how or (how == os.CLD_EXITED and failed):
            raise RaabError(f"run: it could not be started, got {self.unit.reason() or self.refusal}", "`fab doctor` looks the host over")
        return status if how == os.CLD_EXITED else _SIGNALLED + status


def blocks(descriptor: int) -> Iterator[bytes]:
    """What can be read there, until its end."""
    while True:
        select.select((descriptor,), (), ())
        try:
            block = os.read(descriptor, BLOCK)
        except BlockingIOError:
            continue
        except OSError:
            # A terminal's end.
            return
        if not block:
            return
        yield block
