from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

import raab
from raab.host.edge.compose import compose
from raab.host.edge.site import Certificate, Ground, Site, Static, Upstream

GROUND = Ground("/run/raab-edge/admin.sock", "/var/lib/raab-edge")
SHOP = Site("shop", ("shop.test", "www.shop.test"), (Upstream("10.0.0.5:8000"), Upstream("10.0.0.6:8000")), Certificate("internal"))
BLOG = Site(
    "blog",
    ("blog.test",),
    (Upstream("unix//run/blog/http.sock"),),
    Certificate("acme", "https://ca.test/directory", "root@blog.test"),
    hsts=31_536_000,
    statics=(Static("/static", ("/opt/blog/releases/2/static", "/opt/blog/releases/1/static")),),
)


def composed(*sites: Site, ground: Ground = GROUND) -> Any:
    return json.loads(compose(sites, ground))


def parts(value: Any) -> list[dict[str, Any]]:
    """Every object in a configuration."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict) else []), *(part for one in inner for part in parts(one))]


def test_the_order_in_which_sites_are_told_is_none_of_the_edges() -> None:
    assert compose([SHOP, BLOG], GROUND) == compose([BLOG, SHOP], GROUND)


def test_an_upstream_that_is_drained_is_not_in_the_pool() -> None:
    drained = Site("shop", SHOP.domains, (Upstream("10.0.0.5:8000", drained=True), Upstream("10.0.0.6:8000")), Certificate("internal"))
    [pool] = [part["upstreams"] for part in parts(composed(drained, BLOG)) if part.get("@id") == "shop"]
    assert pool == [{"dial": "10.0.0.6:8000"}]


def test_nobody_but_the_socket_administers_it_and_nothing_is_kept_of_what_it_is_told() -> None:
    assert composed(SHOP)["admin"] == {"listen": "unix//run/raab-edge/admin.sock|0600", "config": {"persist": False}}


def test_caddy_takes_it(caddy: str, tmp_path: Path) -> None:
    file = tmp_path / "caddy.json"
    for sites in ([], [SHOP], [SHOP, BLOG], [BLOG]):
        file.write_bytes(compose(sites, Ground(str(tmp_path / "admin.sock"), str(tmp_path))))
        done = subprocess.run([caddy, "validate", "--config", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_edge_closes_connections_that_wait_before_a_worker_does() -> None:
    """Even one that retires, or a request would come by a connection in the moment when it is closed."""
    server = yaml.safe_load((Path(raab.__file__).parent / "config/setting.yaml").read_text())["base"]["server"]
    [proxied] = [part for part in parts(composed(BLOG)) if part.get("@id") == "blog"]
    idle = int(proxied["transport"]["keep_alive"]["idle_timeout"].removesuffix("s"))
    assert idle < server["linger"] <= server["keepalive"]
