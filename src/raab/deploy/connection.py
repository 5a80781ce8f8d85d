"""The one SSH connection to a host and the conversation over it. Only run.py uses it."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fabric
import paramiko

from raab.deploy import exitcodes, wire
from raab.deploy.environment import Host
from raab.deploy.refusals import explain
from raab.errors import RaabError

# What goes wrong in paramiko's threads reaches the caller as an exception; its own log would show it as a traceback besides.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
# The ways in which paramiko says that a connection is no more.
LOST = (OSError, EOFError, paramiko.SSHException)
OnEvent = Callable[[dict[str, Any]], None]
BLOCK = 1 << 17


class ConnectionLost(RaabError):
    """The connection ended before the host had answered."""


def silent(_: dict[str, Any]) -> None:
    """For requests whose events nobody wants to see."""


class Remote:
    """A connection with one channel, on which the host's session program answers request after request."""

    def __init__(self, host: Host, connect_timeout: float) -> None:
        self.host = host
        self.sent = 0
        self.channels = 0
        self.writing = threading.Lock()
        self.connection = fabric.Connection(
            host.address,
            user=host.user,
            port=host.port,
            connect_timeout=int(connect_timeout),
            config=fabric.Config(overrides={"load_ssh_configs": not host.identity}),
            connect_kwargs=login(host, connect_timeout),
        )
        # Fabric adds every host key that it meets and loads none (FACTS 26).
        self.connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        if Path(host.known_hosts).is_file():
            self.connection.client.load_host_keys(host.known_hosts)

    def open(self) -> None:
        """Log in and start the session program. Raises RaabError when the host cannot be reached or is not who it should be."""
        try:
            self.connection.open()
            transport = self.connection.client.get_transport()
            assert transport is not None
            # A connection that has silently died is noticed by this, not by the kernel's two hours.
            transport.set_keepalive(15)
            self.channel = transport.open_session()
            self.channels += 1
            self.channel.exec_command(wire.command(sudo=self.host.user != "root"))
            self.lines = self.channel.makefile("rb")
        except LOST as error:
            self.close()
            raise explain(self.host, error) from error
        # A host without Python may have ended the channel by now; why, is read with the first answer.
        with suppress(*LOST):
            self.write([wire.program()])

    def request(self, operation: str, on_event: OnEvent = silent, payload: Iterable[Path] = (), **values: Any) -> dict[str, Any]:
        """Send one request and return its answer. Raises RaabError with what the host has to say, ConnectionLost when it says nothing."""
        # The host may have refused in the middle of a payload; its reason is then waiting to be read.
        with suppress(*LOST), self.writing:
            self.write([json.dumps({"op": operation, **values}).encode() + b"\n"])
            for path in payload:
                self.write(blocks(path))
        while True:
            try:
                line = self.lines.readline()
            except LOST as error:
                raise ConnectionLost(
                    f"host {self.host.name}: the connection was lost, got {error}", "deploy again", exitcodes.UNREACHABLE
                ) from error
            if not line:
                raise self.ended()
            if not line.startswith(b'{"event"'):
                # A login file on the host that prints something, as some .bashrc does.
                continue
            answer: dict[str, Any] = json.loads(line)
            if answer["event"] == "done":
                return answer
            if answer["event"] == "error":
                raise RaabError(f"host {self.host.name}: {answer['message']}", answer["hint"], answer["code"])
            on_event(answer)

    def write(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.channel.sendall(piece)
            self.sent += len(piece)

    def ping(self) -> None:
        """Tell the host that this side is alive: it lets go of a deployer who is silent for too long (raab.host.session)."""
        with suppress(*LOST), self.writing:
            self.write([b"\n"])

    def ended(self) -> RaabError:
        """Why the session program is gone: what the host's shell, sudo or Python said of it."""
        said = b""
        while block := self.channel.recv_stderr(65536):
            said += block
        text = said.decode(errors="replace").strip()
        name = self.host.name
        if wire.NO_PYTHON in text:
            return RaabError(f"host {name}: there is no python3, got none on PATH", "install Python >= 3.10 on it", exitcodes.REFUSED)
        if wire.OLD_PYTHON in text:
            got = text.split(wire.OLD_PYTHON)[1].split()[0]
            return RaabError(f"host {name}: its python3 is too old, got {got}", "install Python >= 3.10 on it", exitcodes.REFUSED)
        if wire.NO_SUDO in text:
            return RaabError(
                f"host {name}: {self.host.user} is not root and there is no sudo", "log in as root, or install sudo", exitcodes.REFUSED
            )
        if text.startswith("sudo:"):
            return RaabError(
                f"host {name}: sudo refused {self.host.user}, got: {text}", "allow it python3 without a password", exitcodes.REFUSED
            )
        return ConnectionLost(f"host {name}: the session ended, got: {text[-1000:] or 'no word'}", "deploy again", exitcodes.UNREACHABLE)

    def close(self) -> None:
        self.connection.client.close()


def login(host: Host, timeout: float) -> dict[str, Any]:
    """A key that is named is the only one to be tried; else the agent and the usual files are."""
    options: dict[str, Any] = {"banner_timeout": timeout, "auth_timeout": timeout, "transport_factory": without_delay}
    if not host.identity:
        return options
    return {**options, "key_filename": host.identity, "look_for_keys": False, "allow_agent": False}


def without_delay(sock: Any, **options: Any) -> paramiko.Transport:
    """paramiko leaves Nagle's algorithm on: a login's small packets then wait 40 ms for delayed acknowledgements (tcp(7), TCP_NODELAY)."""
    # Through a jump host it is a channel and no socket.
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return paramiko.Transport(sock, **options)


def blocks(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
