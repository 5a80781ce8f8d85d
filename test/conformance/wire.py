"""One client's connection, and answers as they come over it, read by the letter: what is no answer is an error."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from .cases import Expected

Address = tuple[str, int] | str
PATIENCE = 3.0
# Seconds after which nothing that is under way on one machine is still to come.
QUIET = 0.3
# Seconds after which a piece has been received by itself.
_BETWEEN = 0.001
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [\t\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")


class Nonsense(Exception):
    """What came is no answer, or no whole one."""


@dataclass(frozen=True)
class Answer:
    """One answer. `whole` is False where its connection ended before it did."""

    status: int
    fields: dict[str, str]
    body: bytes
    whole: bool = field(default=True)


class Wire:
    """One connection to `address`, a host and a port or the path of a UNIX socket."""

    def __init__(self, address: Address, patience: float = PATIENCE) -> None:
        self._socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self._socket.settimeout(patience)
        if not isinstance(address, str):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect(address)
        self._data = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes, ends: bool = False, pieces: int = 1) -> None:
        """Sends what can be sent, in so many pieces, the first ones cut between CR and LF. A server that has refused may take less."""
        cuts = [match.end() for match in re.finditer(rb"\r(?=\n)", data)][: pieces - 1]
        with suppress(BrokenPipeError, ConnectionResetError):
            for begin, end in pairwise([0, *cuts, len(data)]):
                self._socket.sendall(data[begin:end])
                if end < len(data):
                    time.sleep(_BETWEEN)
        if ends:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def answer(self, bodiless: bool = False) -> Answer | None:
        """The next answer; None when the connection has ended instead. Raises Nonsense, and TimeoutError after PATIENCE."""
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                if self._data:
                    raise Nonsense(f"an end within a head: {self._data[:200]!r}")
                return None
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        match = _STATUS.fullmatch(first)
        found = [_FIELD.fullmatch(line) for line in lines]
        if match is None or not all(found):
            raise Nonsense(f"no head of an answer: {head[:300]!r}")
        fields = {one[1].decode().lower(): one[2].decode("latin-1") for one in found if one}
        status = int(match[1])
        if bodiless or status < 200 or status in (204, 304):
            return Answer(status, fields, b"")
        body, whole = self._body(fields)
        return Answer(status, fields, body, whole)

    def rest(self) -> bytes:
        """All that still comes, until the connection ends. Raises TimeoutError after PATIENCE."""
        while self._more():
            pass
        data, self._data = self._data, b""
        return data

    def patience(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def quiet(self) -> bytes:
        """What comes until the connection ends or nothing comes for a while."""
        self.patience(QUIET)
        with suppress(TimeoutError):
            self.rest()
        return self._data

    def _body(self, fields: dict[str, str]) -> tuple[bytes, bool]:
        if fields.get("transfer-encoding") == "chunked":
            return self._chunks()
        if "content-length" not in fields:
            return self.rest(), True
        return self._take(int(fields["content-length"]))

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            while b"\r\n" not in self._data:
                if not self._more():
                    return body, False
            size, _, self._data = self._data.partition(b"\r\n")
            if not re.fullmatch(rb"[0-9A-Fa-f]+", size):
                raise Nonsense(f"no size of a chunk: {size[:100]!r}")
            chunk, whole = self._take(int(size, 16) + 2)
            if not whole:
                return body + chunk, False
            if not chunk.endswith(b"\r\n"):
                raise Nonsense(f"no end of a chunk: {chunk[-100:]!r}")
            body += chunk[:-2]
            if int(size, 16) == 0:
                return body, True

    def _take(self, count: int) -> tuple[bytes, bool]:
        while len(self._data) < count:
            if not self._more():
                data, self._data = self._data, b""
                return data, False
        data, self._data = self._data[:count], self._data[count:]
        return data, True

    def _more(self) -> bool:
        """False when the connection has ended. A reset is an end as well: whoever had something to say has said it."""
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._data += data
        return bool(data)


def request(path: str, *fields: str) -> bytes:
    """A plain GET."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: h", *fields, "", ""]).encode()


def fits(answer: Answer, expected: Expected) -> bool:
    return answer.status in expected.statuses and expected.text in answer.body and answer.whole
