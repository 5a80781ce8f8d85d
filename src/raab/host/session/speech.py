"""Both ends of a session's connection: a deployer who may vanish, and answers that are told apart from what else is printed."""

from __future__ import annotations

import signal
import threading
import time
from typing import BinaryIO

from raab.errors import RaabError
from raab.protocol import conversation
from raab.protocol.conversation import Event


class Patient:
    """Input from a deployer who says something at least now and then. One who has silently vanished must not keep the lock."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source

    def readline(self) -> bytes:
        # Nobody handles this signal: it ends the process, and with it all that it holds.
        signal.alarm(conversation.HOSTS_PATIENCE_SECONDS)
        line = self.source.readline()
        signal.alarm(0)
        return line

    def read(self, size: int) -> bytes:
        signal.alarm(conversation.HOSTS_PATIENCE_SECONDS)
        block = self.source.read(size)
        signal.alarm(0)
        return block


class Speaker:
    """A JSON line for each event, and from its making on a sign of life now and then, whatever the host is busy with."""

    def __init__(self, sink: BinaryIO) -> None:
        self.sink = sink
        self.speaking = threading.Lock()
        threading.Thread(target=self.pulse, daemon=True).start()

    def pulse(self) -> None:
        while True:
            time.sleep(conversation.PULSE_SECONDS)
            self.write(b"\n")

    def say(self, operation: str, event: Event) -> None:
        """Raises RaabError for what no deployer would take: a file of this host's may say anything."""
        try:
            line = conversation.tell(operation, event)
        except ValueError as error:
            problem = f"{operation}: this host would say what no deployer takes, got {error}"
            raise RaabError(problem, "see what says so on the host: its journal, a manifest, what the service answers") from None
        self.write(line)

    def write(self, line: bytes) -> None:
        with self.speaking:
            # A login file may have printed something that ends without a newline, or go on to print from a process behind this one.
            self.sink.write(b"\n" + line)
            self.sink.flush()
