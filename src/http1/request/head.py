"""A request's head: llhttp reads it, and what llhttp or WSGI would let through is refused here. Bytes in, values out, no sockets."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from http1.errors import Refused, bad
from http1.limits import Limits

# RFC 9112 sections 2.3 and 3. Methods are a token (RFC 9110 section 9.1), of which gunicorn takes no lower-case ones and none of one or
# two characters (http/message.py, parse_request_line); the target consists of visible ASCII characters (RFC 3986 section 2).
_REQUEST_LINE = re.compile(rb"([!$%&'*+.^_`|~0-9A-Z-]{3,20}) ([\x21-\x7e]+) HTTP/1\.([01])")
# RFC 9112 section 3.2.2; that an authority is a host is for whoever believes it (RFC 9110 section 4.2.4 on the user in front of an @).
_ABSOLUTE = re.compile(r"https?://([^/?#@]+)(/[^?#]*)?(?:\?([^#]*))?", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,18}")
# Names of fields, as they are written, and what they are called in a WSGI environment. Clients write the same few in the same way.
_KEYS: dict[bytes, str] = {}
_KEYS_KEPT = 1000
# Fields of which there may be one (RFC 9110 section 5.3). Two lengths llhttp refuses.
_SINGLE = frozenset(("HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_EXPECT"))
_PLAIN = {"CONTENT_TYPE", "CONTENT_LENGTH"}


class Head:
    """What the server itself needs to know of a request, beside what is in its WSGI environment.

    `length` is that of the body, None for chunks; `close` whether the client wants no other request answered; `expects` whether it waits
    for 100 Continue; `upgrade` whether it would leave HTTP.
    """

    __slots__ = ("close", "expects", "length", "line", "method", "minor", "upgrade")

    def __init__(self, line: bytes, method: str, minor: int) -> None:
        self.line, self.method, self.minor = line, method, minor
        self.length: int | None = 0
        self.close = self.expects = self.upgrade = False


class Parser:
    """Parses one connection's heads, one after the other."""

    __slots__ = ("_fields", "_limits", "_llhttp")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._fields: list[tuple[bytes, bytes]] = []
        self._llhttp: HttpRequestParser | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by llhttp for each field."""
        self._fields.append((name, value))

    def on_message_complete(self) -> None:
        """Called by llhttp at the end of a head without a body. For reasons of its own, Proxy-Connection for one, it may take it for the
        last one of its connection, and would refuse the next."""
        if self._llhttp is not None and not self._llhttp.should_keep_alive():
            self._llhttp = None

    def parse(self, data: bytes, environ: dict[str, Any]) -> Head:
        """Puts what the head says into the WSGI environment and returns the rest of it. Raises Refused."""
        end = data.index(b"\r\n")
        if end > self._limits.line:
            raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line has more than {self._limits.line} bytes")
        line = data[:end]
        parts = _REQUEST_LINE.fullmatch(line)
        if parts is None:
            raise bad("the request line is malformed")
        method, target, minor = str(parts[1], "ascii"), str(parts[2], "ascii"), int(parts[3])
        head = Head(line, method, minor)
        self._feed(data)
        self._put_fields(environ)
        environ["REQUEST_METHOD"], environ["RAW_URI"] = method, target
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if minor else "HTTP/1.0"
        if target[0] == "/" and method != "CONNECT":
            path, _, query = target.partition("?")
        else:
            path, query = other_target(method, target, environ)
        if "#" in query or "#" in path:
            raise bad("the target has a fragment")
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        if minor and "HTTP_HOST" not in environ:
            raise bad("an HTTP/1.1 request needs a Host")
        frame(head, environ)
        if head.length != 0:
            # llhttp would take what comes next for this one's body.
            self._llhttp = None
        return head

    def _feed(self, data: bytes) -> None:
        if self._llhttp is None:
            self._llhttp = HttpRequestParser(self)
        self._fields.clear()
        try:
            self._llhttp.feed_data(data)
        except HttpParserUpgrade:
            self._llhttp = None
        except HttpParserInvalidMethodError as error:
            raise Refused(HTTPStatus.NOT_IMPLEMENTED, "the method is unknown") from error
        except HttpParserError as error:
            raise bad(str(error)) from error

    def _put_fields(self, environ: dict[str, Any]) -> None:
        fields, most = self._fields, self._limits.field
        if len(fields) > self._limits.fields:
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {self._limits.fields} header fields")
        for name, value in fields:
            if len(name) + len(value) + 4 > most:
                raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a header field has more than {most} bytes")
            key = _KEYS.get(name)
            if key is None:
                key = key_of(name)
            text = value.decode("latin-1").rstrip(" \t")
            if key not in environ:
                environ[key] = text
            elif key in _SINGLE:
                raise bad(f"two fields of the name {name.decode('latin-1')}")
            elif key:
                environ[key] += "," + text
        environ.pop("", None)


def key_of(name: bytes) -> str:
    """What a field is called in a WSGI environment; nothing for one that is left out.

    A name with an underscore is, as it could not be told from the same with a hyphen, which a proxy in front may guard.
    """
    if b"_" in name:
        key = ""
    else:
        plain = name.decode("latin-1").upper().replace("-", "_")
        key = plain if plain in _PLAIN else f"HTTP_{plain}"
    if len(_KEYS) < _KEYS_KEPT:
        _KEYS[name] = key
    return key


def other_target(method: str, target: str, environ: dict[str, Any]) -> tuple[str, str]:
    """Path and query of a target that does not begin with a slash (RFC 9112 section 3.2). Raises Refused."""
    if method == "CONNECT":
        raise Refused(HTTPStatus.NOT_IMPLEMENTED, "this is no proxy")
    if target == "*" and method == "OPTIONS":
        return target, ""
    parts = _ABSOLUTE.fullmatch(target)
    if parts is None:
        raise bad("the target is malformed")
    if "HTTP_HOST" in environ:
        # Section 3.2.2: the target's host counts, whatever the field says.
        environ["HTTP_HOST"] = parts[1]
    return parts[2] or "/", parts[3] or ""


def frame(head: Head, environ: dict[str, Any]) -> None:
    """How the body is framed, and what becomes of the connection. Raises Refused."""
    coding, length = environ.get("HTTP_TRANSFER_ENCODING"), environ.get("CONTENT_LENGTH")
    if coding is not None:
        # RFC 9112 sections 6.1 and 6.3: whatever is ambiguous may have been read otherwise by a proxy in front.
        if not head.minor or length is not None:
            raise bad("Transfer-Encoding in HTTP/1.0, or beside Content-Length")
        if coding.lower() != "chunked":
            codings = [one.strip(" \t").lower() for one in coding.split(",")]
            if codings[-1] != "chunked" or codings.count("chunked") > 1:
                raise bad("Transfer-Encoding does not end in chunked")
            raise Refused(HTTPStatus.NOT_IMPLEMENTED, "a transfer coding other than chunked")
        head.length = None
    elif length is not None:
        if not _DIGITS.fullmatch(length):
            raise bad("Content-Length is no number")
        head.length = int(length)
    wish = environ.get("HTTP_CONNECTION")
    if wish is None:
        head.close = not head.minor
    else:
        options = [one.strip(" \t") for one in wish.lower().split(",")]
        head.close = "close" in options or not (head.minor or "keep-alive" in options)
        head.upgrade = "upgrade" in options and "HTTP_UPGRADE" in environ
    expectation = environ.get("HTTP_EXPECT")
    if expectation is not None:
        if expectation.lower() != "100-continue":
            raise Refused(HTTPStatus.EXPECTATION_FAILED, "an expectation other than 100-continue")
        # RFC 9110 section 10.1.1: an HTTP/1.0 client cannot mean it.
        head.expects = bool(head.minor) and head.length != 0
