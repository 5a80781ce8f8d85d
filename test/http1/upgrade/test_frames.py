"""Where one WebSocket frame ends: whatever frames are sent, in whatever pieces, the follower says `between` at their ends alone."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from http1.upgrade.frames import RESTART, Frames


def frame(payload: int, mask: bool) -> bytes:
    """A binary frame of so many bytes, by RFC 6455 section 5.2."""
    bit = 0x80 if mask else 0
    if payload < 126:
        size = bytes([bit | payload])
    elif payload < 1 << 16:
        size = bytes([bit | 126]) + payload.to_bytes(2, "big")
    else:
        size = bytes([bit | 127]) + payload.to_bytes(8, "big")
    # Whatever the payload and the mask hold, no byte of them is to be taken for a head.
    return b"\x82" + size + (b"\x88\x02\x88\x02" if mask else b"") + (b"\x88" * payload)


@given(
    st.lists(st.tuples(st.one_of(st.integers(0, 140), st.sampled_from([65535, 65536, 70000])), st.booleans()), max_size=6),
    st.lists(st.integers(1, 4000), min_size=1, max_size=20),
)
@example([(0, False), (125, True), (126, False), (127, True)], [1])
def test_between_is_said_at_the_ends_of_frames_alone(frames: list[tuple[int, bool]], pieces: list[int]) -> None:
    sent = [frame(*one) for one in frames]
    ends, at = {0}, 0
    for one in sent:
        at += len(one)
        ends.add(at)
    stream, follower, at, turn = b"".join(sent), Frames(), 0, 0
    assert follower.between
    while at < len(stream):
        piece = stream[at : at + pieces[turn % len(pieces)]]
        follower.follow(piece)
        at, turn = at + len(piece), turn + 1
        assert follower.between == (at in ends), at


def test_the_farewell_is_a_frame_itself() -> None:
    follower = Frames()
    follower.follow(RESTART)
    assert follower.between and int.from_bytes(RESTART[2:], "big") == 1012
