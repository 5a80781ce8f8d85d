"""What the edge is to do for each service: as files, and composed of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.edge import sites
from raab.host.paths import Paths
from raab.protocol import edge
from raab.protocol.edge import Caddy, Edge
from raab.protocol.reading import plainly

TOLD = Edge(("shop.example", "www.shop.example"), edge.INTERNAL, hsts=300, caddy=Caddy("2.11.7", "0" * 64))


def paths(tmp_path: Path, name: str = "shop") -> Paths:
    return Paths(name, etc=tmp_path / "etc", run=tmp_path / "run")


def test_a_release_says_what_the_edge_is_told_or_nothing() -> None:
    """As it came, what a later raab says beside it left out; nothing that is no domain gets anywhere."""
    assert edge.of({}) is None and edge.of({"edge": None}) is None
    assert edge.of({"edge": plainly(TOLD)}) == TOLD
    assert edge.of({"edge": {"domains": ["shop.example"], "later": 1}}) == Edge(("shop.example",))
    for domain in (
        "shop",
        "Shop.example",
        "*.shop.example",
        "shop.example.",
        "-a.example",
        "a b.example",
        "a.example/",
        "x" * 64 + ".a",
        "",
    ):
        with pytest.raises(ValueError, match="not a domain"):
            edge.of({"edge": {"domains": [domain]}})
    with pytest.raises(ValueError, match="1 to 100 domains"):
        edge.of({"edge": {"domains": []}})


def test_a_site_is_what_was_written(tmp_path: Path) -> None:
    shop = paths(tmp_path)
    told = TOLD._replace(certificate=edge.ACME, directory="https://ca.test/dir", email="ops@shop.example", root="PEM")
    sites.put(shop, told)
    site = sites.read(sites.file(shop).read_bytes())
    assert site == sites.of(shop, told)
    assert site.upstreams[0].address == f"unix/{tmp_path}/run/raab-asked/shop/http"
    assert Path(site.certificate.roots[0]).read_text() == "PEM"
    sites.put(shop, None)
    assert not list(shop.edge.sites.iterdir())


def test_all_sites_are_composed_and_none_takes_anothers_domain(tmp_path: Path) -> None:
    shop, blog = paths(tmp_path), paths(tmp_path, "blog")
    sites.put(shop, TOLD)
    sites.put(blog, TOLD._replace(domains=("blog.example",)))
    text = sites.composed(shop.edge, sites.there(shop.edge), 0)
    assert json.loads(text) and all(name.encode() in text for name in ("shop.example", "www.shop.example", "blog.example", "fd/3", "fd/4"))
    sites.put(blog, TOLD._replace(domains=("www.shop.example",)))
    with pytest.raises(RaabError, match=r"domains: www\.shop\.example is blog's on this host, got it for shop too"):
        sites.composed(shop.edge, sites.there(shop.edge), 0)
    sites.file(blog).write_text("{}")
    with pytest.raises(RaabError, match=r"blog\.json: not as raab wrote it"):
        sites.composed(shop.edge, sites.there(shop.edge), 0)
