"""HTTP/1.1 on a bare socket: as much as is needed to tell exactly what became of a request."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from raab.drill.traffic.values import Kind

Address = tuple[str, int]
# Where to connect: host and port, or the path of a UNIX socket.
Place = Address | str
RELEASE = re.compile(rb'"release":\s*"([^"]*)"')


def name(place: Place) -> str:
    """The place as text that may stand in a Host header."""
    if isinstance(place, str):
        return "localhost"
    return f"[{place[0]}]:{place[1]}" if ":" in place[0] else f"{place[0]}:{place[1]}"


def family(place: Place) -> socket.AddressFamily:
    """The kind of socket that reaches it."""
    if isinstance(place, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in place[0] else socket.AF_INET


class Broken(Exception):
    """A request that did not get its answer, and in which way."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True)
class Answer:
    """A complete answer. `last` says that the server announced the end of the connection."""

    status: int
    body: bytes
    last: bool
    label: str


def request(method: str, path: str, host: str, *, close: bool = False, length: int | None = None) -> bytes:
    """A request's head. Without `close` the connection is kept."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "User-Agent: raab-drill"]
    if close:
        lines.append("Connection: close")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


class Connection:
    """One connection. Its methods raise Broken with the kind of failure."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._data = bytearray()
        self._begun = False

    @classmethod
    async def open(cls, place: Place) -> Connection:
        sock = socket.socket(family(place), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, place)
        except OSError as error:
            sock.close()
            raise Broken(Kind.REFUSED, str(error)) from error
        except asyncio.CancelledError:
            sock.close()
            raise
        return cls(sock)

    def close(self) -> None:
        self._sock.close()

    async def ends(self) -> None:
        """Returns when the server has closed the connection, as it has announced, or has not done so within a second.

        Who closes first keeps the port for a minute (RFC 9293, 3.6.1, TIME-WAIT). With hundreds of connections a second that leaves
        a client few ports, and connect(2) looks for a free one for milliseconds.
        """
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(self._loop.sock_recv(self._sock, 1), 1)

    def ended(self) -> bool:
        """Whether the server has closed the connection, as far as this machine knows. Anything unasked counts as the end, too."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    async def send(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError as error:
            raise Broken(Kind.RESET, f"while sending: {error}") from error

    async def answer(self) -> Answer:
        """Reads the next answer to its end."""
        self._begun = bool(self._data)
        head = await self._until(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            head = await self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.([01]) (\d{3})(?: .*)?", first)
        if not found:
            raise Broken(Kind.WRONG, f"not a status line, got {first[:80]!r}")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        last = headers.get("connection", "").lower() == "close"
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await self._chunks()
        elif headers.get("content-length", "").isdigit():
            body = await self._exactly(int(headers["content-length"]))
        elif found[2] in ("204", "304"):
            body = b""
        else:
            raise Broken(Kind.WRONG, "an answer without a length: its end could not be told from a loss")
        release = RELEASE.search(body)
        label = headers.get("raab-release", "") or (release[1].decode(errors="replace") if release else "")
        return Answer(int(found[2]), body, last, label)

    async def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = (await self._until(b"\r\n")).partition(b";")[0]
            try:
                length = int(size, 16)
            except ValueError as error:
                raise Broken(Kind.WRONG, f"not the size of a chunk, got {size[:20]!r}") from error
            chunk = await self._exactly(length + 2)
            if not chunk.endswith(b"\r\n"):
                raise Broken(Kind.WRONG, f"a chunk without its end, got {chunk[-20:]!r}")
            if not length:
                return bytes(body)
            body += chunk[:-2]

    async def _until(self, mark: bytes) -> bytes:
        await self._read(lambda: mark in self._data)
        part, _, rest = self._data.partition(mark)
        self._data = rest
        return bytes(part)

    async def _exactly(self, length: int) -> bytes:
        await self._read(lambda: len(self._data) >= length)
        part = bytes(self._data[:length])
        del self._data[:length]
        return part

    async def _read(self, enough: Callable[[], bool]) -> None:
        while not enough():
            try:
                data = await self._loop.sock_recv(self._sock, 65536)
                detail = "the connection was closed"
            except OSError as error:
                data, detail = b"", str(error)
            if not data:
                raise Broken(Kind.TRUNCATED if self._begun else Kind.RESET, detail)
            self._begun = True
            self._data += data
