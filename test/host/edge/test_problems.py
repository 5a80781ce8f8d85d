from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raab.host.edge.compose import compose
from raab.host.edge.problems import problems
from raab.host.edge.site import Certificate, Ground, Site, Static, Upstream

SHOP = Site("shop", ("shop.test",), (Upstream("10.0.0.5:8000"),), Certificate("internal"))
ACME = Certificate("acme", "https://ca.test/directory")


def said(site: Site, *others: Site) -> list[str]:
    return [str(problem) for problem in problems(site, others)]


@pytest.mark.parametrize(
    "site",
    [
        SHOP,
        replace(SHOP, domains=("*.shop.test", "localhost", "10.0.0.1", "xn--bcher-kva.test")),
        replace(SHOP, upstreams=(Upstream("unix//run/shop/http"), Upstream("[fd00::1]:80"), Upstream("app-1.internal:65535"))),
        replace(SHOP, statics=(Static("/static", ("/opt/shop/releases/1/static files",)),), maintenance="/etc/shop/page.html", hsts=0),
        replace(SHOP, certificate=ACME),
        replace(SHOP, certificate=Certificate()),
    ],
)
def test_what_caddy_takes_has_none(site: Site) -> None:
    assert not said(site, SHOP, replace(SHOP, service="blog", domains=("blog.test",)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"domains": ()}, "shop: has no domain"),
        ({"domains": ("Shop.test",)}, "shop: domains: not a domain, got 'Shop.test'"),
        ({"domains": ("shop.test:443",)}, "shop: domains: not a domain"),
        ({"domains": ("{env.HOME}",)}, "shop: domains: not a domain"),
        ({"domains": ("a*.test",)}, "shop: domains: not a domain"),
        ({"domains": ("shop.test\n",)}, "shop: domains: not a domain"),
        ({"domains": ("bücher.test",)}, "shop: domains: not a domain"),
        ({"domains": ("shop.test", "www.shop.test", "shop.test")}, "shop: domains: names shop.test twice"),
        ({"domains": ("shop.test", "blog.test")}, "shop: domains: blog.test is blog's on this host\nhint: name it in one of them"),
        ({"certificate": ACME, "domains": ("*.shop.test",)}, "shop: domains: no authority proves it by http-01, got *.shop.test"),
        ({"certificate": ACME, "domains": ("10.0.0.1",)}, "shop: domains: no authority proves it"),
        ({"certificate": ACME, "domains": ("localhost",)}, "shop: domains: no authority proves it"),
        ({"upstreams": ()}, "shop: has no upstream"),
        ({"upstreams": (Upstream("10.0.0.5"),)}, "shop: upstream: not an address, got '10.0.0.5'"),
        ({"upstreams": (Upstream("10.0.0.5:8000-9000"),)}, "shop: upstream: not an address"),
        ({"upstreams": (Upstream("10.0.0.5:65536"),)}, "shop: upstream: not an address"),
        ({"upstreams": (Upstream("unix/relative"),)}, "shop: upstream: not an address"),
        ({"upstreams": (Upstream("http://10.0.0.5:80"),)}, "shop: upstream: not an address"),
        ({"upstreams": (Upstream("{http.request.host}:80"),)}, "shop: upstream: not an address"),
        ({"hsts": -1}, "shop: hsts: below 0, got -1"),
        ({"body_limit": -1}, "shop: body_limit: below 0, got -1"),
        ({"statics": (Static("static", ("/a",)),)}, "shop: static: not the beginning of a URL's path, got 'static'"),
        ({"statics": (Static("/static/", ("/a",)),)}, "shop: static: not the beginning"),
        ({"statics": (Static("/", ("/a",)),)}, "shop: static: not the beginning"),
        ({"statics": (Static("/static", ("a",)),)}, "shop: static /static: not a folder's path, got 'a'"),
        ({"statics": (Static("/static", ("/a/{env.HOME}",)),)}, "shop: static /static: not a folder's path"),
        ({"maintenance": "page.html"}, "shop: maintenance: not a file's path, got 'page.html'"),
        ({"certificate": Certificate("acme", "http://ca.test/")}, "shop: certificate: not an authority's directory"),
        ({"certificate": Certificate("acme", roots=("/nowhere.pem",))}, "shop: certificate: /nowhere.pem: no certificates in PEM"),
        ({"certificate": Certificate("files", certificate="/a.pem")}, "shop: certificate: names no certificate or no key"),
    ],
)
def test_each_is_said_in_two_lines(change: dict[str, Any], words: str) -> None:
    (found,) = said(replace(SHOP, **change), replace(SHOP, service="blog", domains=("blog.test",)))
    assert found.startswith(words) and found.count("\nhint: ") == 1 and found.count("\n") == 1


PIECES = st.text(st.sampled_from("a1.-*:/{}[]%? \n\\|ä"), max_size=12)
ADDRESSES = st.one_of(PIECES, st.builds("{}:{}".format, PIECES, st.integers(-1, 70000)), st.builds("unix//{}".format, PIECES))
PATHS = st.builds("/{}".format, PIECES)
CHANGES = st.one_of(
    st.fixed_dictionaries({"domains": st.tuples(st.one_of(PIECES, st.builds("{}.test".format, PIECES)))}),
    st.fixed_dictionaries({"upstreams": st.tuples(st.builds(Upstream, ADDRESSES))}),
    st.fixed_dictionaries({"statics": st.tuples(st.builds(Static, PATHS, st.tuples(PATHS)))}),
    st.fixed_dictionaries({"maintenance": PATHS}),
    st.fixed_dictionaries({"hsts": st.integers(-1, 10), "body_limit": st.integers(-1, 10)}),
)


def test_caddy_takes_whatever_has_no_problem(caddy: str, tmp_path: Path) -> None:
    """All of it at once, since each question takes a process."""
    good: list[Site] = []

    @settings(max_examples=2000, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(CHANGES)
    def collect(change: dict[str, Any]) -> None:
        site = replace(SHOP, **{"service": f"s{len(good)}", "domains": (f"{len(good)}.test",), **change})
        if not problems(site, good):
            good.append(site)

    collect()
    assert len(good) > 50
    file = tmp_path / "caddy.json"
    file.write_bytes(compose(good, Ground(str(tmp_path / "admin.sock"), str(tmp_path))))
    done = subprocess.run([caddy, "validate", "--config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
