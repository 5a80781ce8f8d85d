"""wsgi.input (PEP 3333): a request's body, and no byte more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from http1.errors import BodyError
from http1.limits import PIECE_BYTES, Limits
from http1.request.reader import Reader

# RFC 9112 section 7.1.1; tokens and quoted strings by RFC 9110 section 5.6.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*")
_TRAILER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*[\t\x20-\x7e\x80-\xff]*")
# RFC 9110 section 6.5.1: these would change how the message is framed, routed or believed, after that was decided.
_NO_TRAILERS = frozenset((b"authorization", b"content-length", b"host", b"te", b"trailer", b"transfer-encoding"))


class Body:
    """A body of `length` bytes, or in chunks where that is None. `proceed` is called before the first byte is waited for.

    `taken`: bytes that have come from the connection. `done` when all have; `failed` when they never will. Reading raises BodyError then.
    """

    __slots__ = ("_at", "_kept", "_left", "_limits", "_proceed", "_reader", "_within", "done", "failed", "taken")

    def __init__(self, reader: Reader, length: int | None, limits: Limits, proceed: Callable[[], None] | None = None) -> None:
        self._reader, self._limits, self._proceed = reader, limits, proceed
        # Of the whole body, and of the chunk that is being read.
        self._left, self._within = length, 0
        self._kept, self._at = b"", 0
        self.done, self.failed = length == 0, False
        self.taken = 0

    @property
    def left(self) -> int | None:
        """Bytes that have not been taken yet; None where only their sender knows."""
        return 0 if self.done else self._left

    @property
    def expected(self) -> bool:
        """Whether the client still waits to be told that it may send."""
        return self._proceed is not None

    def take(self, most: int, needed: int = 1) -> bytes:
        """The next bytes, `most` at most; none at the end. Fewer than `needed` are of no use yet to who asks, and may come nevertheless.
        Past what `readline` has kept: for who throws them away."""
        if self.done:
            return b""
        if self.failed:
            raise BodyError("the body was broken before")
        try:
            if self._proceed is not None:
                proceed, self._proceed = self._proceed, None
                proceed()
            return self._chunked(most, needed) if self._left is None else self._plain(most, needed)
        except BaseException:
            # Where the next request would begin is unknown, also when a time limit has struck.
            self.failed = True
            raise

    def _plain(self, most: int, needed: int) -> bytes:
        assert self._left is not None
        piece = self._reader.take(min(most, self._left), min(needed, self._left))
        self._left -= len(piece)
        self.taken += len(piece)
        self.done = self._left == 0
        return piece

    def _chunked(self, most: int, needed: int) -> bytes:
        reader = self._reader
        if self._within == 0:
            self._within = self._chunk()
            if self._within == 0:
                self._trailers()
                self.done = True
                return b""
        piece = reader.take(min(most, self._within), min(needed, self._within))
        self._within -= len(piece)
        self.taken += len(piece)
        if self._within == 0 and reader.line(0):
            raise BodyError("a chunk is longer than it said")
        return piece

    def _chunk(self) -> int:
        self._reader.turn.worked()
        found = _CHUNK.fullmatch(self._reader.line(self._limits.field))
        if found is None:
            raise BodyError("a chunk's size is malformed")
        return int(found[1], 16)

    def _trailers(self) -> None:
        for _ in range(self._limits.fields + 1):
            line = self._reader.line(self._limits.field)
            if not line:
                return
            self._reader.turn.worked()
            found = _TRAILER.fullmatch(line)
            if found is None or found[1].lower() in _NO_TRAILERS:
                raise BodyError("a trailer is malformed, or none")
        raise BodyError(f"more than {self._limits.fields} trailers")

    # What an application calls.

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the end; all that there are without a size."""
        wanted = -1 if size is None or size < 0 else size
        pieces = [self._take_kept(wanted)]
        have = len(pieces[0])
        while have != wanted and not self.done:
            most = PIECE_BYTES if wanted < 0 else min(PIECE_BYTES, wanted - have)
            piece = self.take(most, most)
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces) if len(pieces) > 1 else pieces[0]

    def readline(self, size: int | None = -1) -> bytes:
        """A line with its end, or so many bytes of it."""
        wanted = -1 if size is None or size < 0 else size
        pieces: list[bytes] = []
        have = 0
        while have != wanted:
            if self._at == len(self._kept):
                if self.done:
                    break
                self._kept, self._at = self.take(PIECE_BYTES), 0
            within = (self._kept.find(b"\n", self._at) + 1 or len(self._kept)) - self._at
            piece = self._take_kept(within if wanted < 0 else min(within, wanted - have))
            pieces.append(piece)
            have += len(piece)
            if piece.endswith(b"\n"):
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """All lines."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _take_kept(self, most: int) -> bytes:
        begun = self._at
        if begun < len(self._kept):
            self._reader.turn.worked()
        self._at = len(self._kept) if most < 0 else min(len(self._kept), begun + most)
        return self._kept[begun : self._at]
