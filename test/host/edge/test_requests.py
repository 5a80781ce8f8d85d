"""What an application gets of a request, and a client of its answer."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import pytest

BOTH = pytest.mark.parametrize("version", ["1.1", "2"])


def plain(body: bytes, kind: str, *more: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


def test_plain_http_is_sent_to_https_with_all_that_was_asked(edge: Any, app: Any, site: Any) -> None:
    web = app()
    edge.start(site(web))
    for words in ((), ("-X", "POST", "-d", "a=b")):
        answer = edge.ask("http://shop.test/a%20b?c=d&e", *words)
        assert (answer.status, answer.headers["location"]) == (308, f"https://shop.test:{edge.https}/a%20b?c=d&e")
    assert not web.asked


def test_a_name_that_nobody_has_is_answered_by_nobody(edge: Any, app: Any, site: Any) -> None:
    web = app()
    edge.start(site(web))
    assert edge.ask("http://other.test/").status == 421
    assert edge.ask("https://shop.test/", "-H", "Host: other.test").status == 421
    assert edge.ask("https://shop.test/", "-H", "Host: other.test", version="2").status == 421
    with pytest.raises(OSError, match="alert"):
        edge.tls("other.test")
    assert not web.asked


@BOTH
def test_browsers_are_told_to_come_by_https_only_where_that_is_asked_for(edge: Any, app: Any, site: Any, version: str) -> None:
    edge.start(site(app(), hsts=600), site(app(), service="blog", domains=("blog.test",)))
    assert edge.ask("https://shop.test/", version=version).headers["strict-transport-security"] == "max-age=600"
    assert "strict-transport-security" not in edge.ask("https://blog.test/", version=version).headers
    assert "strict-transport-security" not in edge.ask("http://shop.test/").headers


CLAIMS = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: gopher",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Port: 6",
    "X_Forwarded_For: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Request-ID: mine",
    "X_Request_ID: mine",
]


@BOTH
@pytest.mark.parametrize("more", [(), ("-H", "Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Request-ID")])
def test_who_a_client_is_the_edge_says_alone(edge: Any, app: Any, site: Any, version: str, more: tuple[str, ...]) -> None:
    if version == "2" and more:
        pytest.skip("HTTP/2 has no header Connection")
    web = app()
    edge.start(site(web))
    for _ in range(2):
        words = [word for claim in CLAIMS for word in ("-H", claim)]
        assert edge.ask("https://shop.test/", *words, *more, version=version).status == 200
    first, second = web.asked
    assert first.all("X-Forwarded-For") == ["127.0.0.1"]
    assert first.all("X-Forwarded-Proto") == ["https"]
    assert first.all("X-Forwarded-Host") == first.all("Host") == [f"shop.test:{edge.https}"]
    assert not [key for key, value in first.headers if "6.6.6.6" in value or "evil" in value or value == "mine"]
    ids = [*first.all("X-Request-ID"), *second.all("X-Request-ID")]
    assert len(set(ids)) == 2 and all(re.fullmatch("[0-9a-f-]{36}", one) for one in ids)


@BOTH
@pytest.mark.parametrize("words", [(), ("-H", "Transfer-Encoding: chunked")])
def test_a_body_may_be_as_large_as_the_application_takes_it(edge: Any, app: Any, site: Any, version: str, words: tuple[str, ...]) -> None:
    web = app()
    edge.start(site(web, body_limit=100_000))
    assert edge.ask("https://shop.test/", *words, version=version, body=bytes(100_000)).status == 200
    assert len(web.asked[-1].body) == 100_000
    refused = edge.ask("https://shop.test/", *words, version=version, body=bytes(100_001))
    assert (refused.status, refused.body) == (413, b"413 Request Entity Too Large\n")


WORDS = b"<p>All this is said again and again.</p>\n" * 50


@BOTH
@pytest.mark.parametrize(
    ("body", "kind", "more", "said"),
    [
        (WORDS, "text/html; charset=utf-8", (), "gzip"),
        (WORDS, "application/json", (), "gzip"),
        (WORDS[:500], "text/html", (), None),
        (WORDS, "image/png", (), None),
        (WORDS, "text/html", ("Content-Encoding: br",), "br"),
        (WORDS, "text/event-stream", (), None),
    ],
)
def test_what_gains_by_it_is_compressed(
    edge: Any, app: Any, site: Any, version: str, body: bytes, kind: str, more: tuple[str, ...], said: str | None
) -> None:
    edge.start(site(app(lambda *_: plain(body, kind, *more))))
    answer = edge.ask("https://shop.test/", "-H", "Accept-Encoding: gzip", version=version)
    assert answer.headers.get("content-encoding") == said
    assert (zlib.decompress(answer.body, 31) if said == "gzip" else answer.body) == body
    assert ("accept-encoding" in answer.headers.get("vary", "").lower()) == (said == "gzip")


@BOTH
def test_what_no_application_could_answer_is_said_in_plain_words(edge: Any, app: Any, site: Any, version: str) -> None:
    web = app(lambda *_: None)
    edge.start(site(web))
    answer = edge.ask("https://shop.test/", "-X", "POST", version=version)
    assert (answer.status, answer.body) == (502, b"502 Bad Gateway\n")
    assert answer.headers["retry-after"] == "5" and answer.headers["cache-control"] == "no-store"


def test_nothing_but_its_socket_commands_it_and_nothing_is_kept(edge: Any, app: Any, site: Any) -> None:
    edge.start(site(app()))
    assert Path(edge.ground.admin).stat().st_mode & 0o777 == 0o600
    mine = {str(target) for fd in Path(f"/proc/{edge.running.pid}/fd").iterdir() if (target := fd.readlink()).name.startswith("socket:")}
    ports = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in mine and (fields[3] == "0A" or name.startswith("udp")):
                ports.add((name, int(fields[1].rpartition(":")[2], 16)))
    assert ports == {("tcp", edge.http), ("tcp", edge.https)}
    edge.load(site(app()))
    assert not list(edge.folder.rglob("autosave*"))
