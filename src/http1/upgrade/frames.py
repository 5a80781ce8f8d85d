"""WebSocket frames, as far as it matters where one ends (RFC 6455 section 5.2)."""

from __future__ import annotations

# FIN and opcode 8, two bytes of payload, and as these the status code 1012, "service restart" (IANA, WebSocket Close Code registry).
RESTART = b"\x88\x02\x03\xf4"
_LENGTHS = {126: 2, 127: 8}
_MASK = 0x80


class Frames:
    """Follows the bytes that one side sends, in whatever pieces they come. `between` tells that the last one ended a frame: the only place
    for a frame of somebody else's."""

    __slots__ = ("_head", "_payload")

    def __init__(self) -> None:
        self._head = bytearray()
        # Bytes of the frame under way that are still to come.
        self._payload = 0

    @property
    def between(self) -> bool:
        return not self._head and not self._payload

    def follow(self, data: bytes | bytearray | memoryview) -> None:
        """Takes note of what has been sent."""
        at, end = 0, len(data)
        while at < end:
            if self._payload:
                step = min(self._payload, end - at)
                self._payload -= step
                at += step
                continue
            self._head.append(data[at])
            at += 1
            if len(self._head) >= 2 and len(self._head) == self._head_size():
                self._payload = self._payload_size()
                self._head.clear()

    def _extended(self) -> int:
        """How many bytes after the second one tell the payload's length."""
        return _LENGTHS.get(self._head[1] & ~_MASK, 0)

    def _head_size(self) -> int:
        return 2 + self._extended() + (4 if self._head[1] & _MASK else 0)

    def _payload_size(self) -> int:
        extended = self._extended()
        return int.from_bytes(self._head[2 : 2 + extended], "big") if extended else self._head[1] & ~_MASK
