from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.host.session import receive as receiving
from raab.host.session.receive import cached, receive
from raab.protocol.requests import Part


def part(name: str, content: bytes) -> Part:
    return Part(name, hashlib.sha256(content).hexdigest(), len(content))


def test_parts_arrive_under_their_hash_and_what_follows_them_is_left_in_the_stream(tmp_path: Path) -> None:
    paths = Paths("raab", opt=tmp_path)
    parts = (part("a.whl", b"first"), part("b.whl", b"second"))
    stream = io.BytesIO(b"firstsecondNEXT")
    assert receive(paths, stream, parts) == 11
    assert stream.read() == b"NEXT"
    found = cached(paths, parts[1].sha256)
    assert found is not None
    assert (found.name, found.read_bytes()) == ("b.whl", b"second")


def test_a_changed_byte_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    paths = Paths("raab", opt=tmp_path)
    with pytest.raises(RaabError, match=r"a\.whl does not have the SHA-256"):
        receive(paths, io.BytesIO(b"firsT"), (part("a.whl", b"first"),))
    assert list(paths.cache.iterdir()) == []


def test_an_end_within_a_part_is_told_and_its_rest_removed_next_time(tmp_path: Path) -> None:
    paths = Paths("raab", opt=tmp_path)
    wanted = (part("a.whl", b"first"),)
    with pytest.raises(RaabError, match="got 3 of 5 bytes"):
        receive(paths, io.BytesIO(b"fir"), wanted)
    assert cached(paths, wanted[0].sha256) is None
    receive(paths, io.BytesIO(b"first"), wanted)
    assert [path.name for path in paths.cache.iterdir()] == [wanted[0].sha256]


def test_where_there_is_no_room_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a part of it, and the parts before it stay."""
    paths = Paths("raab", opt=tmp_path)
    monkeypatch.setattr(receiving, "SPARE", 1 << 60)
    with pytest.raises(RaabError, match=r"no room for a\.whl, got \d+ bytes free for 5\nhint: make room"):
        receive(paths, io.BytesIO(b"first"), (part("a.whl", b"first"),))
    assert list(paths.cache.iterdir()) == []
