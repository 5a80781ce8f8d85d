"""What the application answers, on its way to the client: the only place that sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from http1.answerhead import composed, early_hints
from http1.ending.farewell import reset_at_close
from http1.errors import ClientGone, Farewell, WrongAnswer
from http1.limits import PIECE_BYTES, REST_BYTES
from http1.request.body import Body
from http1.request.head import Head
from http1.turns import Turn
from http1.upgrade.handed import Handed

# Where an event of a stream ends (WHATWG HTML, "Parsing an event stream": an empty line, and three ways to end one).
_EVENT_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")


class Answer:
    """The answer to one request.

    `status` and `sent` (bytes of the body) are what has gone over the wire; `aborted` tells whose fault it is that an answer which has
    begun does not end as it should: the client's, the application's, or its worker's. `close`: nothing else will be answered here;
    `handed`: what the application gets of a connection that its client would have leave HTTP. `body`: the request's, where it has one.
    """

    __slots__ = (
        "_asks_head",
        "_bodiless",
        "_chunked",
        "_event",
        "_head",
        "_leaving",
        "_length",
        "_minor",
        "_turn",
        "aborted",
        "body",
        "client",
        "close",
        "ending",
        "handed",
        "sent",
        "status",
    )

    def __init__(self, client: Any, head: Head, leaving: Callable[[], bool], turn: Turn) -> None:
        self.client, self._leaving, self._turn = client, leaving, turn
        self._minor, self._asks_head, self._bodiless = head.minor, head.method == "HEAD", False
        # The head that `start` made, until it is sent.
        self._head: str | None = None
        self._length: int | None = None
        self._chunked = False
        # Of an event stream, the last bytes; None for any other answer.
        self._event: bytes | None = None
        self.close, self.ending = head.close, False
        self.handed: Handed | None = None
        self.status, self.sent = 0, 0
        self.aborted: str | None = None
        self.body: Body | None = None

    @property
    def begun(self) -> bool:
        """Whether any of it has been sent."""
        return self.status != 0

    @property
    def complete(self) -> bool:
        """Whether it has gone out, whatever the application would add: of an answer without a body, its head."""
        return self._bodiless and self.begun

    @property
    def lasting(self) -> bool:
        """Whether it lasts for as long as its client likes: an event stream, or a connection that the application has taken over."""
        return self.take_over() if self.handed is not None else self._event is not None

    @property
    def streaming(self) -> bool:
        """Whether an event stream has begun, and nobody waits for its client to take a part of it."""
        return self._event is not None and self.begun and not self.client._write_event.active

    @property
    def between_events(self) -> bool:
        """Whether an event stream has begun and can be ended here, so that its client misses no half of an event."""
        return self.streaming and self._length is None and (self._event or b"").endswith(_EVENT_ENDS)

    def take_over(self) -> bool:
        """Whether the application has answered by the socket that it was handed; then that is what was answered."""
        if self.handed is None or not self.handed.taken:
            return False
        self.status, self.sent = self.handed.status, self.handed.sent
        return True

    def start(self, status: str, headers: Iterable[tuple[str, str]], exc_info: Any = None) -> Any:
        """WSGI's start_response. Raises WrongAnswer for what cannot be sent."""
        if self.begun or self.take_over():
            if exc_info:
                raise exc_info[1].with_traceback(exc_info[2])
            raise WrongAnswer("start_response is called when the answer has been sent")
        if self._head is not None and not exc_info:
            raise WrongAnswer("start_response is called twice")
        head = composed(status, headers, self._minor, self._asks_head)
        if self.handed is None and status[:3] == "101":
            raise WrongAnswer(f"nobody has asked to leave HTTP, got {status!r}")
        self._head, self._length, self._chunked, self._bodiless, events, close = head
        self._event = _EVENT_ENDS[0] if events else None
        self.close = self.close or close
        return self.write

    def write(self, piece: bytes) -> None:
        """Sends a part of the body, with the head before the first. WSGI's write as well.

        Raises ClientGone; WrongAnswer for more than was declared, and nothing of the piece is sent then; Farewell after the last event.
        """
        if type(piece) is not bytes and not isinstance(piece, bytes):
            raise WrongAnswer(f"a part of the body is not bytes, got {type(piece).__name__}")
        if not piece:
            return
        if self._bodiless:
            self._send_head()
            return
        size = len(piece)
        if self._length is not None and self.sent + size > self._length:
            raise WrongAnswer(f"the answer is longer than its Content-Length, {self._length}")
        if self._event is not None:
            self._event = (self._event + piece)[-4:]
        begun = self._taken_head()
        if begun and self._ends_with_connection:
            reset_at_close(self.client, True)
        if self._chunked:
            self._send(b"%b%x\r\n%b\r\n" % (begun, size, piece))
        elif begun and size > PIECE_BYTES:
            self._send(begun)
            self._send(piece)
        else:
            self._send(begun + piece if begun else piece)
        self.sent += size
        if self.ending and self.between_events:
            raise Farewell

    def finish(self) -> None:
        """The application has nothing to add. Raises ClientGone, and WrongAnswer for less than was declared."""
        self._event = None
        if self._head is None and not self.begun:
            raise WrongAnswer("the application has not called start_response")
        if self._length is not None and self.sent < self._length:
            raise WrongAnswer(f"the answer has {self.sent} bytes and its Content-Length is {self._length}")
        if self._chunked:
            self._send(self._taken_head() + b"0\r\n\r\n")
        elif not self.begun:
            self._send_head()
        elif self._ends_with_connection:
            reset_at_close(self.client, False)

    def replace(self, status: HTTPStatus) -> None:
        """The server's own answer, in place of one of which nothing has been sent. Raises ClientGone."""
        text = f"{status.value} {status.phrase}\n".encode()
        self._head, self.close = None, True
        self.start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        self.write(text)
        self.finish()

    def early_hints(self, headers: Iterable[tuple[str, str]]) -> None:
        """wsgi.early_hints, as gunicorn has it: a 103 (RFC 8297) before the answer, nothing once that has begun."""
        if self._minor and not self.begun:
            self._send(early_hints(headers))

    def proceed(self) -> None:
        """100 Continue, for a client that waits for it before it sends the body."""
        if not self.begun:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    @property
    def _ends_with_connection(self) -> bool:
        """Whether nothing but the end of its connection tells where its body ends, as for a client that speaks HTTP/1.0."""
        return self._length is None and not self._chunked and not self._bodiless

    def _send_head(self) -> None:
        if not self.begun:
            self._send(self._taken_head())

    def _taken_head(self) -> bytes:
        """The head as it is sent, once; empty after that."""
        if self._head is None:
            if not self.begun:
                raise WrongAnswer("the application has not called start_response")
            return b""
        text, self._head = self._head, None
        self.status = int(text[9:12])
        if self.status != 101:
            self.close = self.close or self._leaving() or self._loses_its_place()
            if self.close:
                text += "Connection: close\r\n"
            elif not self._minor:
                text += "Connection: keep-alive\r\n"
        return (text + "\r\n").encode("latin-1")

    def _loses_its_place(self) -> bool:
        """Whether nobody will know where the next request begins: too much of the body is left, its client may not know that it is to send
        it, or the application had the connection in its hands."""
        body = self.body
        if body is not None and not body.done and (body.failed or body.expected or (body.left or 0) > REST_BYTES):
            return True
        return self.handed is not None and self.handed.touched

    def _send(self, data: bytes) -> None:
        try:
            taken = self.client.send(data)
            if taken < len(data):
                self.client.sendall(data[taken:])
                return
        except OSError as error:
            raise ClientGone(*error.args) from error
        # A client that takes everything at once would keep others waiting.
        self._turn.worked(taken)
