"""A request's body as an application gets it: within its limit, and whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from raab.web.refusal import broken_body, too_large


class LimitedInput:
    """wsgi.input (PEP 3333) that raises Refusal when there is more than `limit` bytes in it, or when it turns out broken: the
    server's parser raises errors of its own then, for which an application could only answer 500.

    `length` is the body's, None where only its end will tell. One that is known to be within the limit has nothing after it to look for.
    """

    def __init__(self, stream: Any, length: int | None, limit: int) -> None:
        self._stream, self._length, self._limit = stream, length, limit
        self._left = limit if length is None else length

    @property
    def fits(self) -> bool:
        """Whether it is known to be within its limit."""
        return self._length is not None and self._length <= self._limit

    def allow(self, limit: int) -> None:
        """Sets another limit. Raises Refusal where the body is known to be beyond it."""
        if self._length is None:
            self._left += limit - self._limit
        self._limit = limit
        self._refuse_what_is_known()

    def read(self, size: int | None = -1) -> bytes:
        return self._take(self._stream.read, size)

    def readline(self, size: int | None = -1) -> bytes:
        return self._take(self._stream.readline, size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _take(self, read: Callable[[int], bytes], size: int | None) -> bytes:
        known = self._length is not None
        self._refuse_what_is_known()
        if self._left == 0 and known:
            return b""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        try:
            data = read(wanted)
            self._left -= len(data)
            # Looked for here and not when the next byte is asked for: Werkzeug stops asking at the limit, and would take the
            # beginning of a body for the whole.
            more = self._left == 0 and not known and self._stream.read(1)
        except Exception as error:
            raise broken_body() from error
        if more:
            raise too_large(self._limit)
        if known and wanted and not data:
            # Raised by raab's own server; any other one takes the end of the connection for that of the body.
            raise broken_body()
        return data

    def _refuse_what_is_known(self) -> None:
        if self._length is not None and self._length > self._limit:
            raise too_large(self._limit)
