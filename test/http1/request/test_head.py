"""A head, without any socket: what it says, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from http1.errors import Refused
from http1.limits import Limits
from http1.request.head import Head, Parser


def parse(data: bytes, limits: Limits | None = None) -> tuple[Head, dict[str, Any]]:
    environ: dict[str, Any] = {}
    return Parser(limits or Limits()).parse(data, environ), environ


def get(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""])


def test_what_a_head_says() -> None:
    """In WSGI's words; values by ISO 8859-1, paths decoded, spaces around values gone."""
    fields = (b"Host: a:80", b"Accept:  x/y \t", b"accept: z", b"Content-Type: t", b"X_Y: no", b"X-Y: \xff", b"Empty:")
    head, environ = parse(get(*fields, line=b"GET /a%20b%ff?q=%20 HTTP/1.1"))
    assert environ == {
        "HTTP_HOST": "a:80",
        "HTTP_ACCEPT": "x/y,z",
        "CONTENT_TYPE": "t",
        "HTTP_X_Y": "\xff",
        "HTTP_EMPTY": "",
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/a%20b%ff?q=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": "/a b\xff",
        "QUERY_STRING": "q=%20",
    }
    assert (head.length, head.close, head.expects, head.upgrade) == (0, False, False, False)


@pytest.mark.parametrize(
    ("line", "host", "path", "query"),
    [
        (b"GET http://b/c?d HTTP/1.1", "b", "/c", "d"),
        (b"GET HTTP://b:81 HTTP/1.1", "b:81", "/", ""),
        (b"OPTIONS * HTTP/1.1", "a", "*", ""),
        (b"GET //b//c HTTP/1.1", "a", "//b//c", ""),
    ],
)
def test_other_targets(line: bytes, host: str, path: str, query: str) -> None:
    """The host of a target that names one counts (RFC 9112 section 3.2.2)."""
    _, environ = parse(get(b"Host: a", line=line))
    assert (environ["HTTP_HOST"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (host, path, query)


@pytest.mark.parametrize(
    ("fields", "length", "close", "expects"),
    [
        ((b"Content-Length: 12",), 12, False, False),
        ((b"Transfer-Encoding: Chunked",), None, False, False),
        ((b"Content-Length: 3", b"Expect: 100-Continue"), 3, False, True),
        ((b"Content-Length: 0", b"Expect: 100-continue"), 0, False, False),
        ((b"Connection: close, TE",), 0, True, False),
    ],
)
def test_how_it_goes_on(fields: tuple[bytes, ...], length: int | None, close: bool, expects: bool) -> None:
    """The body's length, and what the client wants of the connection."""
    head, _ = parse(get(b"Host: a", *fields))
    assert (head.length, head.close, head.expects) == (length, close, expects)


def test_one_parser_reads_all_of_a_connection() -> None:
    """With bodies between, with upgrades, whatever came before."""
    parser = Parser(Limits())
    for fields in (
        (),
        (b"Content-Length: 5",),
        (),
        (b"Connection: upgrade", b"Upgrade: websocket"),
        (),
        (b"Transfer-Encoding: chunked",),
        (),
    ):
        environ: dict[str, Any] = {}
        parser.parse(get(b"Host: a", *fields), environ)
        assert environ["HTTP_HOST"] == "a"


REFUSED = {
    "HTTP/2.0": (400, get(b"Host: a", line=b"GET / HTTP/2.0")),
    "HTTP/1.2": (400, get(b"Host: a", line=b"GET / HTTP/1.2")),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "http/1.1": (400, get(b"Host: a", line=b"GET / http/1.1")),
    "lower-case method": (400, get(b"Host: a", line=b"get / HTTP/1.1")),
    "two spaces": (400, get(b"Host: a", line=b"GET  / HTTP/1.1")),
    "a tab": (400, get(b"Host: a", line=b"GET\t/ HTTP/1.1")),
    "a space at the end": (400, get(b"Host: a", line=b"GET / HTTP/1.1 ")),
    "a space in the target": (400, get(b"Host: a", line=b"GET /a b HTTP/1.1")),
    "no ASCII in the target": (400, get(b"Host: a", line=b"GET /\xff HTTP/1.1")),
    "a fragment": (400, get(b"Host: a", line=b"GET /a#b HTTP/1.1")),
    "a target without a slash": (400, get(b"Host: a", line=b"GET a HTTP/1.1")),
    "an asterisk": (400, get(b"Host: a", line=b"GET * HTTP/1.1")),
    "somebody in front of the host": (400, get(b"Host: a", line=b"GET http://me@b/ HTTP/1.1")),
    "another scheme": (400, get(b"Host: a", line=b"GET ftp://b/ HTTP/1.1")),
    "CONNECT": (501, get(b"Host: a", line=b"CONNECT a:80 HTTP/1.1")),
    "a method of one's own": (501, get(b"Host: a", line=b"BREW / HTTP/1.1")),
    "RTSP": (400, get(b"Host: a", line=b"GET / RTSP/1.0")),
    "no host": (400, get()),
    "two hosts": (400, get(b"Host: a", b"Host: a")),
    "two types": (400, get(b"Host: a", b"Content-Type: a", b"Content-Type: a")),
    "two lengths": (400, get(b"Host: a", b"Content-Length: 1", b"Content-Length: 1")),
    "a list of lengths": (400, get(b"Host: a", b"Content-Length: 1, 1")),
    "a length with a sign": (400, get(b"Host: a", b"Content-Length: +1")),
    "an empty length": (400, get(b"Host: a", b"Content-Length:")),
    "a length in hex": (400, get(b"Host: a", b"Content-Length: 0x1")),
    "an endless length": (400, get(b"Host: a", b"Content-Length: " + b"9" * 30)),
    "length and chunks": (400, get(b"Host: a", b"Content-Length: 1", b"Transfer-Encoding: chunked")),
    "chunks and length": (400, get(b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 1")),
    "chunks in HTTP/1.0": (400, get(b"Transfer-Encoding: chunked", line=b"GET / HTTP/1.0")),
    "chunks twice": (400, get(b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    "identity": (400, get(b"Host: a", b"Transfer-Encoding: identity")),
    "chunked not last": (400, get(b"Host: a", b"Transfer-Encoding: chunked, gzip")),
    "another expectation": (417, get(b"Host: a", b"Content-Length: 1", b"Expect: 200-ok")),
    "space before the colon": (400, get(b"Host : a")),
    "no name": (400, get(b"Host: a", b": b")),
    "no colon": (400, get(b"Host: a", b"b")),
    "a folded line": (400, get(b"Host: a", b"B: c", b" d")),
    "a folded first line": (400, get(b" Host: a", b"Host: a")),
    "NUL": (400, get(b"Host: a", b"B: c\0d")),
    "a control character": (400, get(b"Host: a", b"B: c\x01d")),
    "DEL": (400, get(b"Host: a", b"B: c\x7fd")),
    "a bare CR": (400, get(b"Host: a", b"B: c\rd")),
    "a bare LF": (400, get(b"Host: a", b"B: c\nd: e")),
    "a name that is no token": (400, get(b"Host: a", b"B@: c")),
    "a name beyond ASCII": (400, get(b"Host: a", b"B\xe4: c")),
    "a long line": (414, get(b"Host: a", line=b"GET /" + b"a" * 4090 + b" HTTP/1.1")),
    "a long field": (431, get(b"Host: a", b"B: " + b"c" * 8190)),
    "many fields": (431, get(b"Host: a", *(b"B%d: c" % number for number in range(100)))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused(name: str) -> None:
    """With the status that says whose fault it is."""
    status, data = REFUSED[name]
    with pytest.raises(Refused) as caught:
        parse(data)
    assert caught.value.status == status


def test_limits_are_settings() -> None:
    """To the byte."""
    limits = Limits(line=14, fields=2, field=8)
    parse(b"GET / HTTP/1.1\r\nHost:\r\nB: cde\r\n\r\n", limits)
    parts = {"line": b"GET /a HTTP/1.1\r\nHost:\r\n", "field": b"GET / HTTP/1.1\r\nHost:\r\nB: cdef\r\n"}
    parts["fields"] = b"GET / HTTP/1.1\r\nHost:\r\nB:\r\nC:\r\n"
    for data in parts.values():
        with pytest.raises(Refused):
            parse(data + b"\r\n", limits)
