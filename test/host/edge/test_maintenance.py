"""A service that is being worked on: what is there on its edge's host, and what is not."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host.edge import maintenance, sites, through
from raab.host.paths import Paths
from raab.protocol.edge import Edge

TOLD = Edge(("shop.example",))


@pytest.fixture
def shop(tmp_path: Path) -> Paths:
    return Paths("shop", etc=tmp_path / "etc", run=tmp_path / "run")


def answering(monkeypatch: pytest.MonkeyPatch, told: int | Exception) -> None:
    def status(*_: Any) -> int:
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr(through, "status", status)


def test_the_page_is_there_from_on_to_off_and_the_site_is_the_same(shop: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 503)
    sites.put(shop, TOLD)
    before = sites.file(shop).read_bytes()
    assert not maintenance.there(shop)
    for page, text in (("", maintenance.PAGE), ("<p>Back at 5", "<p>Back at 5"), ("", maintenance.PAGE)):
        maintenance.begin(shop, page, lambda _: None)
        assert maintenance.there(shop) and sites.page(shop).read_text() == text
        # Caddy reads it as its own user, and who deploys writes nothing else.
        assert sites.page(shop).stat().st_mode & 0o777 == 0o644 and sites.page(shop).parent.stat().st_mode & 0o777 == 0o755
        sites.put(shop, TOLD)
        assert sites.file(shop).read_bytes() == before
    for _ in range(2):
        maintenance.end(shop)
        assert not maintenance.there(shop)
    assert sites.file(shop).read_bytes() == before


@pytest.mark.parametrize("told", [200, OSError("no route")])
@pytest.mark.parametrize("page", ["", "own"])
def test_a_page_that_nobody_would_get_is_an_error_and_leaves_what_was(
    shop: Paths, monkeypatch: pytest.MonkeyPatch, told: Any, page: str
) -> None:
    sites.put(shop, TOLD)
    if page:
        answering(monkeypatch, 503)
        maintenance.begin(shop, page, lambda _: None)
    answering(monkeypatch, told)
    with pytest.raises(RaabError, match=r"https://shop\.example/ does not give the page, got (status 200|no route)"):
        maintenance.begin(shop, "another", lambda _: None)
    assert (sites.page(shop).read_text() if page else maintenance.there(shop)) == (page or False)


def test_a_certificate_to_come_is_no_reason_against_it(shop: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    sites.put(shop, TOLD)
    answering(monkeypatch, ssl.SSLError("internal error"))
    said: list[str] = []
    maintenance.begin(shop, "", said.append)
    assert maintenance.there(shop) and "no certificate yet" in said[0]


def test_an_edge_that_does_nothing_for_the_service_gives_no_page_of_it(shop: Paths) -> None:
    with pytest.raises(RaabError, match="takes no requests for shop"):
        maintenance.begin(shop, "", lambda _: None)
    assert not maintenance.there(shop)
