"""What a request's head may cost."""

from __future__ import annotations

from typing import NamedTuple

# Bytes of all fields of a head together.
HEAD_BYTES = 65_536


class Limits(NamedTuple):
    """Bytes of the request line without its end, number of header fields, bytes of each of them with its end; all together have HEAD_BYTES.

    A line that is too long is 414, a field too many or too long 431 (RFC 9110 section 15.5.15, RFC 6585 section 5). The defaults are
    gunicorn's (config.py, LimitRequestLine, LimitRequestFields, LimitRequestFieldSize).
    """

    line: int = 4094
    fields: int = 100
    field: int = 8190

    @property
    def head(self) -> int:
        """Bytes of a whole head. Not all fields may be as long as one may: thousands of clients may leave their heads half-way."""
        return self.line + 2 + max(HEAD_BYTES, self.field) + 2


# Seconds and bytes for which a client that is told to stop is still listened to (`farewell`). With fewer bytes, one that sends its whole
# upload before it reads would be reset, and never see what it was told.
FAREWELL_SECONDS = 5.0
FAREWELL_BYTES = 16 * 2**20
# The rest of a request's body that is thrown away for the sake of the connection.
REST_BYTES = 65536
# Whoever has done so many bytes' worth of work lets others have their turn: half a millisecond's. What each step costs beside its bytes:
# to receive or send some, to hand out a line, to read a chunk's size.
TURN_BYTES = 262_144
STEP_BYTES = 1024
PIECE_BYTES = 65536
# Whoever sends pieces that cost more than they bring (STEP_BYTES), for so many seconds, has the kernel gather so many bytes of them.
DRIP_SECONDS = 1.0
GATHERED_BYTES = 4096
