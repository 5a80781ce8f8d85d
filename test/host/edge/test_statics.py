"""What the edge answers from files: a release's own ones, and the page for while a service is worked on."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from test.host.edge.test_compose import GROUND, SHOP, parts

from raab.host.edge.compose import compose
from raab.host.edge.site import Static

BOTH = pytest.mark.parametrize("version", ["1.1", "2"])
DIGEST = "0123456789ab"
FOR_GOOD = "public, max-age=31536000, immutable"


@pytest.fixture
def releases(tmp_path: Path) -> tuple[Path, Path]:
    """The newest release's files, and those of the one before."""
    new, old = tmp_path / "releases/.2/static", tmp_path / "releases/.1/static"
    files = {
        new / "style.css": "new" * 400,
        new / "only new.txt": "new",
        new / "100%.txt": "new",
        new / "what?.txt": "new",
        new / "[a]*.txt": "new",
        new / f"style.{DIGEST}.css": "new",
        new / "report-202401011230.pdf": "%PDF",
        new / "sub/index.html": "new",
        new / ".env": "secret",
        new / "sub/.git/config": "secret",
        old / "style.css": "old",
        old / f"old.{DIGEST}.js": "old",
        old / "sub/deep.txt": "old",
        tmp_path / "releases/.2/settings.py": "secret",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return new, old


@pytest.fixture
def start(edge: Any, app: Any, site: Any, releases: tuple[Path, Path]) -> Any:
    def begin(**more: Any) -> Any:
        web = app(lambda asked, _: b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\napp")
        edge.start(site(web, statics=(Static("/static", tuple(map(str, releases))),), **more))
        return web

    return begin


@BOTH
def test_the_newest_release_that_has_a_file_gives_it(edge: Any, start: Any, version: str) -> None:
    web = start()
    for path, text in (
        ("style.css", b"new" * 400),
        ("only%20new.txt", b"new"),
        ("100%25.txt", b"new"),
        ("what%3F.txt", b"new"),
        ("%5Ba%5D%2A.txt", b"new"),
        ("[a]*.txt", b"new"),
        (f"old.{DIGEST}.js", b"old"),
        ("sub/deep.txt", b"old"),
        ("style.css?v=3", b"new" * 400),
    ):
        answer = edge.ask(f"https://shop.test/static/{path}", "-g", version=version)
        assert (answer.status, answer.body) == (200, text), path
    assert not web.asked


@BOTH
def test_what_no_release_has_is_asked_of_the_application_as_it_came(edge: Any, start: Any, version: str) -> None:
    web = start()
    for path in ("/static/none%2Fof%20these?a=b%20c", "/static/", "/static", "/staticfile", "/other/style.css", "/static/a//b"):
        assert edge.ask(f"https://shop.test{path}", version=version).body == b"app"
        assert web.asked[-1].path == path
    assert edge.ask("https://shop.test/static/style.css", "-X", "POST", version=version).body == b"app"


HIDDEN = [
    "/static/.env",
    "/static/%2eenv",
    "/static/sub/.git/config",
    "/static/sub/",
    "/static/sub",
    "/static/sub/index.html/",
    "/static/../settings.py",
    "/static/%2e%2e/settings.py",
    "/static/..%2fsettings.py",
    "/static/sub/..%2f..%2f..%2fsettings.py",
    "/static/..%5csettings.py",
    "/static//../settings.py",
    "/static/style.css%00.txt",
    "/static/*",
    "/static/{env.HOME}",
]


@BOTH
@pytest.mark.parametrize("path", HIDDEN)
def test_no_folder_is_listed_and_nothing_beside_it_or_hidden_is_given(edge: Any, start: Any, version: str, path: str) -> None:
    web = start()
    answer = edge.ask(f"https://shop.test{path}", "-g", version=version)
    assert answer.status in (400, 404) and b"secret" not in answer.body and b"new" not in answer.body
    assert answer.status == 400 or unquote(web.asked[-1].path) == unquote(path)
    assert "max-age" not in answer.headers.get("cache-control", "")


def test_a_bare_connection_climbs_no_higher(edge: Any, start: Any) -> None:
    start()
    for path in (b"/static/../../settings.py", b"//static/../settings.py", b"/x/../static/.env", b"\\static\\..\\settings.py"):
        with edge.tls("shop.test") as sock:
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n" % path)
            said = b"".join(iter(partial(sock.recv, 9000), b""))
            assert b"secret" not in said and (said.endswith(b"app") or b" 400 " in said)


@BOTH
def test_a_file_is_kept_for_good_where_its_name_changes_with_it_and_asked_for_again_else(edge: Any, start: Any, version: str) -> None:
    start()
    wanted = {f"style.{DIGEST}.css": FOR_GOOD, f"old.{DIGEST}.js": FOR_GOOD, "style.css": "no-cache", "report-202401011230.pdf": "no-cache"}
    got = {name: edge.ask(f"https://shop.test/static/{name}", version=version).headers["cache-control"] for name in wanted}
    assert got == wanted
    assert "cache-control" not in edge.ask(f"https://shop.test/static/none.{DIGEST}.css", version=version).headers


@BOTH
def test_a_file_that_did_not_change_is_not_sent_again_and_another_releases_one_is(
    edge: Any, app: Any, site: Any, releases: tuple[Path, Path], version: str
) -> None:
    """Of the same size as well, and where the other one is the older."""
    new, old = releases
    (old / "style.css").write_text("OLD" * 400)
    os.utime(new / "style.css", (1_700_000_000, 1_700_000_000))
    edge.start(site(app(), statics=(Static("/static", (str(old),)),)))
    first = edge.ask("https://shop.test/static/style.css", "-H", "Accept-Encoding: gzip", version=version)
    again = ("-H", f"If-None-Match: {first.headers['etag']}", "-H", "Accept-Encoding: gzip")
    same = edge.ask("https://shop.test/static/style.css", *again, version=version)
    assert (same.status, same.body, same.headers["cache-control"]) == (304, b"", "no-cache")
    edge.load(site(app(), statics=(Static("/static", (str(new), str(old))),)))
    assert edge.ask("https://shop.test/static/style.css", *again, version=version).status == 200
    assert "last-modified" not in first.headers
    since = ("-H", "If-Modified-Since: Wed, 01 Jan 2025 00:00:00 GMT")
    assert edge.ask("https://shop.test/static/style.css", *since, version=version).status == 200


@BOTH
def test_files_are_compressed_and_come_in_parts(edge: Any, start: Any, version: str) -> None:
    start(hsts=60)
    answer = edge.ask("https://shop.test/static/style.css", "-H", "Accept-Encoding: gzip", version=version)
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert answer.headers["content-type"].startswith("text/css") and answer.headers["strict-transport-security"] == "max-age=60"
    part = edge.ask("https://shop.test/static/style.css", "-H", "Range: bytes=1-3", version=version)
    assert (part.status, part.body) == (206, b"ewn")


@BOTH
@pytest.mark.parametrize("words", [(), ("-X", "POST", "-d", "a"), ("-H", "If-None-Match: *"), ("-H", "Range: bytes=1-2")])
def test_everybody_gets_the_page_while_it_is_set(edge: Any, start: Any, version: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    page = tmp_path / "a %41 page.html"
    page.write_text("<h1>Back at 5</h1>")
    web = start(maintenance=str(page))
    answer = edge.ask("https://shop.test/any/where?x=y", *words, version=version)
    assert (answer.status, answer.body) == (503, b"<h1>Back at 5</h1>")
    assert answer.headers["retry-after"] == "60" and answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8" and "etag" not in answer.headers
    assert edge.ask("https://shop.test/static/sub/deep.txt", version=version).body == b"old"
    assert not web.asked
    page.unlink()
    assert edge.ask("https://shop.test/", *words, version=version).body == b"app"
    page.write_text("<h1>Back at 6</h1>")
    assert edge.ask("https://shop.test/", *words, version=version).body == b"<h1>Back at 6</h1>"


def test_the_hosts_own_proofs_pass_by_the_page_and_nobody_elses(edge: Any, start: Any, tmp_path: Path) -> None:
    """Who sits on the host may ask whether the service lives, and nothing else."""
    page = tmp_path / "page.html"
    page.write_text("page")
    web = start(maintenance=str(page))
    assert edge.ask("https://shop.test/livez").body == b"app"
    for path in ("/livez/", "/livezz", "/", "/static/../x/livez"):
        assert edge.ask(f"https://shop.test{path}", "-H", "X-Forwarded-For: 127.0.0.1").body == b"page"
    assert [asked.path for asked in web.asked] == ["/livez"]
    settings = json.loads(compose([replace(SHOP, maintenance=str(page))], GROUND))
    told = [part["not"] for part in parts(settings) if "not" in part and "file" in part]
    assert told == [[{"path": ["/livez", "/readyz"], "remote_ip": {"ranges": ["127.0.0.0/8", "::1/128"]}}]]


def test_a_page_has_nothing_for_who_comes_by_plain_http(edge: Any, start: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("page")
    start(maintenance=str(tmp_path / "page.html"))
    assert edge.ask("http://shop.test/").status == 308
    with socket.create_connection(("127.0.0.1", edge.http)) as sock:
        sock.sendall(b"GET /static/style.css HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        assert b" 308 " in sock.recv(1000)
