"""What an answer's head says, and what it may not say."""

from __future__ import annotations

import re

import pytest

from http1.answerhead import composed, early_hints
from http1.errors import WrongAnswer

CASES = [
    # status, headers, minor, asks_head; length, chunked, bodiless, close
    ("200 OK", [("Content-Length", "3")], 1, False, (3, False, False, False)),
    ("200 OK", [], 1, False, (None, True, False, False)),
    ("200 OK", [], 0, False, (None, False, False, True)),
    ("200 OK", [("Content-Length", "3")], 0, False, (3, False, False, False)),
    ("200 OK", [("Content-Length", "3")], 1, True, (None, False, True, False)),
    ("204 No Content", [("Content-Length", "3")], 1, False, (None, False, True, False)),
    ("304 Not Modified", [("Content-Length", "3")], 1, False, (None, False, True, False)),
    ("101 Switching Protocols", [("Connection", "Upgrade"), ("Upgrade", "websocket")], 1, False, (None, False, True, True)),
    ("200 OK", [("Connection", "Close"), ("Content-Length", "0")], 1, False, (0, False, False, True)),
]


@pytest.mark.parametrize(("status", "headers", "minor", "asks_head", "framing"), CASES)
def test_how_the_body_is_framed(
    status: str, headers: list[tuple[str, str]], minor: int, asks_head: bool, framing: tuple[int | None, bool, bool, bool]
) -> None:
    """RFC 9112 section 6.3. A length is told where there is a body, or would be one; what is the connection's own is the server's."""
    head = composed(status, headers, minor, asks_head)
    assert (head.length, head.chunked, head.bodiless, head.close) == framing
    assert head.text.startswith(f"HTTP/1.1 {status}\r\n") and not re.search(r"(?<!\r)\n|\r(?!\n)", head.text)
    told = dict(line.split(": ", 1) for line in head.text.split("\r\n")[1:-1])
    assert ("Content-Length" in told) is ("Content-Length" in dict(headers) and not status.startswith("204"))
    assert ("Upgrade" in told) is ("Connection" in told) is status.startswith("101")
    assert ("Transfer-Encoding" in told) is head.chunked


WRONG: list[tuple[object, list[tuple[object, str]]]] = [
    ("200\r\nX: y", []),
    (200, []),
    ("20 OK", []),
    ("100 Continue", []),
    ("103 Early Hints", []),
    ("200 OK", [("X-A", "b\r\nSet-Cookie: c")]),
    ("200 OK", [("X A", "b")]),
    ("200 OK", [(b"X-A", "b")]),
    ("200 OK", [("Content-Length", "+3")]),
    ("200 OK", [("Content-Length", "3"), ("content-length", "4")]),
]


@pytest.mark.parametrize(("status", "headers"), WRONG)
def test_what_cannot_be_sent_is_refused(status: str, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(WrongAnswer):
        composed(status, headers, 1, False)


def test_a_hint_cannot_be_split() -> None:
    assert early_hints([("Link", "</a>; rel=preload")]) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    with pytest.raises(WrongAnswer) as told:
        early_hints([("Link", "secret\r\nX: y")])
    assert "secret" not in str(told.value)
