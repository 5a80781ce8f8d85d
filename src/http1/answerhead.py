"""An answer's head: WSGI's words in, the text of it out, with what it says about the body. No sockets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import NamedTuple

from http1.errors import WrongAnswer

SERVER = "raab"
_STATUS = re.compile(r"[1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(r"[0-9]{1,18}")
# RFC 9110 section 7.6.1: these are the server's (PEP 3333, "Other HTTP Features"), and there is one Date.
_OURS = frozenset(("connection", "date", "keep-alive", "proxy-connection", "server", "te", "trailer", "transfer-encoding", "upgrade"))
# Names that applications have used, in lower case.
_NAMES: dict[str, str] = {}
_NAMES_KEPT = 1000
_date: tuple[int, str] = (0, "")


class AnswerHead(NamedTuple):
    """`text` lacks the connection's own fields and the empty line: these are decided when it is sent. `length` is that of the body, where
    it was declared and there is one; `bodiless` that there is none whatever the application gives; `events` that it is an event stream;
    `close` that nothing can follow on its connection."""

    text: str
    length: int | None
    chunked: bool
    bodiless: bool
    events: bool
    close: bool


def composed(status: str, headers: Iterable[tuple[str, str]], minor: int, asks_head: bool) -> AnswerHead:
    """The head for a client that speaks HTTP/1.`minor`, and may have asked for nothing else. Raises WrongAnswer for what cannot be sent."""
    if type(status) is not str or not _STATUS.fullmatch(status):
        raise WrongAnswer(f"the status is malformed, got {status!r}")
    code, length = int(status[:3]), None
    upgrading = close = code == 101
    if code < 200 and not upgrading:
        # Its client would go on waiting for the answer, and take the next one for it.
        raise WrongAnswer(f"the status is that of an interim answer, got {status!r}")
    bodiless = asks_head or code < 200 or code in (204, 304)
    events = chunked = False
    # RFC 9112 section 4: the blank stands there also where no reason does.
    lines = [f"HTTP/1.1 {status if len(status) > 3 else status + ' '}\r\nServer: {SERVER}\r\nDate: {date()}\r\n"]
    for name, value in headers:
        small = _NAMES.get(name) or lower(name)
        if not (value.isascii() and value.isprintable()):
            value = checked(name, value).strip(" \t")
        if small == "content-length":
            if not _DIGITS.fullmatch(value) or length not in (None, int(value)):
                raise WrongAnswer(f"the Content-Length is none, or two, got {value!r}")
            length = int(value)
            if upgrading or code == 204:
                continue
        elif small in _OURS and not (upgrading and small in ("connection", "upgrade")):
            close = close or (small == "connection" and "close" in value.lower())
            continue
        elif small == "content-type" and value.startswith("text/event-stream"):
            events = True
        lines.append(f"{name}: {value}\r\n")
    if bodiless:
        length = None
    elif length is None:
        chunked = bool(minor)
        close = close or not chunked
        if chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
    return AnswerHead("".join(lines), length, chunked, bodiless, events, close)


def early_hints(headers: Iterable[tuple[str, str]]) -> bytes:
    """A 103 (RFC 8297). Raises WrongAnswer for what cannot be sent."""
    lines = [f"{name}: {checked(name, value)}\r\n" for name, value in headers if lower(name)]
    return f"HTTP/1.1 103 Early Hints\r\n{''.join(lines)}\r\n".encode("latin-1")


def checked(name: str, value: str) -> str:
    """A header's value. Raises WrongAnswer for one that would not stay in its line."""
    if not _VALUE.fullmatch(value):
        # The value may be a secret.
        raise WrongAnswer(f"the value of the header {name} has control characters")
    return value


def lower(name: str) -> str:
    """The header's name in lower case. Raises WrongAnswer for what is none."""
    if type(name) is not str or not _NAME.fullmatch(name):
        raise WrongAnswer(f"a header's name is malformed, got {name!r}")
    if len(_NAMES) < _NAMES_KEPT:
        _NAMES[name] = name.lower()
    return name.lower()


def date() -> str:
    """The time as a Date field has it (RFC 9110 section 5.6.7); thousands of answers share one."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    return _date[1]
