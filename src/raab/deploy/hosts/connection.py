"""The one SSH connection to a host and the conversation over it. Only runner.py uses it."""

from __future__ import annotations

import base64
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from raab import exitcodes
from raab.deploy.bundle.parts import Part
from raab.deploy.hosts import scrubbing, wire
from raab.deploy.hosts.channel import Channel, EndlessLine, Silence
from raab.deploy.hosts.refusals import ConnectionLost, explain, not_a_session, unusable
from raab.deploy.hosts.ssh import configuration, words
from raab.deploy.plan.environment import Host
from raab.errors import RaabError
from raab.host.running.here import Here
from raab.plain import plain
from raab.protocol import conversation, streams
from raab.protocol.answers import Begun, Lacking, Line, Refused, Said, Step
from raab.protocol.conversation import Done

OnText = Callable[[str], None]
Answer = TypeVar("Answer")
BLOCK = 1 << 17
# What a login file of the host prints, as some .bashrc does, is passed over; more than so much is no greeting.
NOISE_BYTES = 1 << 20
# A host that is alive and well answers a plain question within this many seconds, one that waits for its previous activation included.
ANSWER_SECONDS = 180.0
# The ways in which a channel says that nobody is there any more.
LOST = (OSError, Silence, EndlessLine)


def silent(_: str) -> None:
    """For requests whose events nobody wants to see."""


class Remote:
    """A connection with one channel, on which the host's session program answers request after request."""

    def __init__(self, host: Host, service: str, connect_timeout: float) -> None:
        self.host = host
        self.service = service
        self.connect_timeout = connect_timeout
        self.channels = 0
        self.noise = bytearray()
        self.spoken = False
        self.supplied = False

    def open(self) -> None:
        """Have ssh log in and start the session program; what goes wrong there is told by the first answer.

        Raises RaabError when there is no ssh here, or what it needs is not there.
        """
        for what, file in (("identity", self.host.identity), ("known_hosts", self.host.known_hosts), ("ssh_config", self.host.ssh_config)):
            if file and file != "none" and not Path(file).is_file():
                raise unusable(self.host, what, file)
        folder = Path(tempfile.mkdtemp(prefix="raab-ssh-"))
        self.folder = folder
        try:
            (folder / "config").write_text(configuration(self.host, self.connect_timeout))
            self.log = (folder / "log").open("a+", errors="replace")
            self.channel = Channel(words(self.host, folder, wire.command(self.host.python)), conversation.DEPLOYERS_PATIENCE_SECONDS)
        except FileNotFoundError as error:
            shutil.rmtree(folder)
            raise RaabError("ssh: not found on this machine", "install OpenSSH's client", exitcodes.BAD_INPUT) from error
        except RaabError:
            shutil.rmtree(folder)
            raise
        self.channels += 1
        with suppress(*LOST):
            self.channel.send(wire.beginning(), self.connect_timeout + self.channel.silence)

    @property
    def sent(self) -> int:
        """How many bytes the host was sent."""
        return self.channel.sent

    def request(
        self,
        operation: str,
        kind: type[Answer],
        on_text: OnText = silent,
        payload: Iterable[Part] = (),
        lasts: bool = False,
        here: Here | None = None,
        **values: Any,
    ) -> Answer:
        """Send one request and return its answer, which is of that `kind` (raab.protocol.table).

        `lasts`: it may take as long as it takes, as long as the host is there. `here`: who types, and looks at what is said.
        Raises RaabError with what the host has to say, or when a file cannot be read here; ConnectionLost when it says nothing, or nothing
        that could be an answer.
        """
        end = None if lasts else time.monotonic() + ANSWER_SECONDS
        if self.spoken:
            self.channel.listen_anew()
        # The host may have refused in the middle of a payload; its reason is then waiting to be read.
        with suppress(*LOST):
            self.send(conversation.encode(operation, self.service, values), payload)
        while True:
            if here:
                self.pass_on(here)
            line = self.listen(operation, end)
            try:
                event = conversation.heard(operation, scrubbing.decode(line), f"host {self.host.name}")
            except (ValueError, RecursionError) as error:
                raise self.lost(f"its answer to {operation} is none ({plain(str(error))}), got: {shown(line[:200])}") from error
            if isinstance(event, Done):
                assert isinstance(event.answer, kind), operation
                return event.answer
            if isinstance(event, Refused):
                raise self.told(event)
            if isinstance(event, Lacking):
                self.supply(operation)
                with suppress(*LOST):
                    self.send(conversation.encode(operation, self.service, values), payload)
                continue
            if isinstance(event, Step | Line):
                on_text(event.text)
            elif here and isinstance(event, Begun):
                here.begin()
            elif here and isinstance(event, Said):
                here.say(event.stream, base64.b64decode(event.data))

    def supply(self, operation: str) -> None:
        """Send what the host lacks; it passes over what it has heard before."""
        if self.supplied:
            raise self.lost(f"its answer to {operation} is none (it was sent the program already), got that it lacks it")
        self.supplied = True
        with suppress(*LOST):
            self.channel.send(wire.program())

    def pass_on(self, here: Here) -> None:
        """What is typed, until there is a line to be read. Raises RaabError when nobody is here any more, ConnectionLost."""
        while not self.channel.whole:
            sources = {one for one in (here.input, here.beside) if one is not None} if here.begun else set()
            try:
                ready = self.channel.wait(None, None if self.spoken else self.connect_timeout + self.channel.silence, sources)
                for descriptor in ready & sources:
                    for typed in here.hear(descriptor):
                        self.channel.send(streams.encode(typed))
            except Silence:
                raise self.lost(f"it has said nothing for {self.channel.silence:.0f} s") from None
            except OSError:
                # Why is what comes next.
                return
            if here.gone:
                self.close()
                raise RaabError("run: ended, for nobody reads what it says any more", exit_code=exitcodes.INTERRUPTED)

    def send(self, request: bytes, payload: Iterable[Part]) -> None:
        """As one: a sign of life in between would be taken for a byte of a file."""
        with self.channel.writing:
            self.channel.send(request)
            try:
                for block in (block for part in payload for block in blocks(part)):
                    self.channel.send(block)
            except RaabError:
                # The host waits for bytes that will not come, and holds its lock for as long.
                self.close()
                raise

    def listen(self, operation: str, end: float | None) -> bytes:
        """The next line of the session program's; whatever else its login shell says is passed over."""
        patience = None if self.spoken else self.connect_timeout + self.channel.silence
        while True:
            try:
                line = self.channel.line(patience)
            except Silence:
                raise self.lost(f"it has said nothing for {patience or self.channel.silence:.0f} s") from None
            except EndlessLine:
                raise self.lost(f"its answer to {operation} has no end, got more than 16 MB in one line") from None
            if not line:
                raise self.ended()
            if line.startswith(b'{"event"'):
                if not self.spoken:
                    # Who is killed later leaves nothing behind: ssh has read its configuration, and both have the log open.
                    shutil.rmtree(self.folder, ignore_errors=True)
                self.spoken = True
                return line
            if line != b"\n":
                self.noise += line
                if len(self.noise) > NOISE_BYTES:
                    raise self.lost(f"it says more than any greeting, got: {shown(bytes(self.noise[:200]))}")
            if end is not None and time.monotonic() > end:
                raise self.lost(f"no answer to {operation} within {ANSWER_SECONDS:.0f} s")

    def told(self, event: Refused) -> RaabError:
        """The host's own error. Its code is one of those that are documented; that it failed is so whatever the code says."""
        code = event.code if event.code in exitcodes.ERRORS else exitcodes.ERROR
        return RaabError(f"host {self.host.name}: {event.message or 'it failed, and does not say why'}", event.hint, code)

    def lost(self, reason: str) -> ConnectionLost:
        self.close()
        return ConnectionLost(
            f"host {self.host.name}: the connection was lost: {reason}", "look at the host, then deploy again", exitcodes.UNREACHABLE
        )

    def ping(self) -> None:
        """Tell the host that this side is alive: it lets go of a deployer who is silent for too long (raab.host.session.session)."""
        self.channel.touch()

    def ended(self) -> RaabError:
        """Why ssh has ended: it could not log in, the host's shell, sudo or Python said something, or the connection is gone."""
        said = self.channel.last_words()
        status = self.channel.status()
        self.log.seek(0)
        log = self.log.read()
        self.close()
        if status == 255 and "Authenticated to " not in log:
            # A hop before the host speaks on standard error.
            return explain(self.host, (said + log).replace("\r", ""))
        if self.spoken:
            last = said.strip() or "\n".join(line for line in log.splitlines() if not line.startswith("debug1:"))
            return ConnectionLost(
                f"host {self.host.name}: the session ended, got: {shown(last.encode()) or 'no word'}", "deploy again", exitcodes.UNREACHABLE
            )
        return not_a_session(self.host, said, self.noise.decode(errors="replace"), status, log)

    def abandon(self) -> None:
        """Have ssh end, without waiting for it."""
        self.channel.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        self.channel.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def shown(said: bytes) -> str:
    """The end of what was said, on one line."""
    return plain(" / ".join(said.decode(errors="replace").strip()[-1000:].splitlines()), 1000)


def blocks(part: Part) -> Iterator[bytes]:
    """As many bytes as were announced. Raises RaabError where they cannot be had any more."""
    left = part.size
    try:
        with part.path.open("rb") as file:
            while left and (block := file.read(min(left, BLOCK))):
                left -= len(block)
                yield block
    except OSError as error:
        raise RaabError(f"{part.path}: cannot be read, got: {error.strerror}", "remove build/raab, then deploy again") from error
    if left:
        raise RaabError(f"{part.path}: it was cut, got {left} bytes of {part.size} too few", "remove build/raab, then deploy again")
