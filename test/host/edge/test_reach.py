"""Having the edge do for a service what a release says, beside systemd's part, which the lab shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host import systemd
from raab.host.edge import caddy, edition, reach, sites
from raab.host.paths import Paths
from raab.protocol import edge
from raab.protocol.edge import Caddy, Edge
from raab.protocol.reading import plainly

TOLD = Edge(("shop.example",), edge.ACME, "https://ca.test/directory", root="one", caddy=Caddy("2.11.7", "0" * 64))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What a running Caddy is told."""
    found: list[bytes] = []
    monkeypatch.setattr(caddy, "provide", lambda *_: Path("/usr/local/lib/raab-edge/caddy-2.11.7"))
    monkeypatch.setattr(caddy, "use", lambda *_: None)
    monkeypatch.setattr(caddy, "load", lambda place, text: found.append(text))
    monkeypatch.setattr(systemd, "is_active", lambda unit: True)
    monkeypatch.setattr(reach, "_outdated", lambda place: False)
    monkeypatch.setattr(reach, "_install_units", lambda place: None)
    return found


def release(tmp_path: Path, told: Edge) -> Path:
    (tmp_path / "manifest.json").write_text(json.dumps({"edge": plainly(told)}))
    return tmp_path


def test_another_root_of_the_authority_is_taken_up_where_nothing_else_has_changed(tmp_path: Path, loaded: list[bytes]) -> None:
    shop = Paths("shop", etc=tmp_path / "etc", run=tmp_path / "run")
    for root in ("one", "one", "two", "two"):
        reach.become(shop, release(tmp_path, TOLD._replace(root=root)), lambda _: None)
        assert sites.roots(shop).read_text() == root
    assert [edition.of(text) for text in loaded] == [1, 2] and edition.following(loaded[0], shop.edge.says) == loaded[1]


def test_what_caddy_would_refuse_is_said_before_it_is_asked(tmp_path: Path, loaded: list[bytes], monkeypatch: Any) -> None:
    shop = Paths("shop", etc=tmp_path / "etc", run=tmp_path / "run")
    monkeypatch.setattr(reach, "_free", lambda place: None)
    monkeypatch.setattr(reach, "_prepare", lambda *_: Path("/caddy"))
    monkeypatch.setattr(caddy, "validate", lambda *_: pytest.fail("asked"))
    with pytest.raises(RaabError, match=r"shop: certificate: .*shop\.pem: no certificates in PEM") as caught:
        reach.check(shop, release(tmp_path, TOLD), lambda _: None)
    assert caught.value.hint == "name the authority's root"
    assert not sites.file(shop).exists() and not sites.roots(shop).exists()


@pytest.mark.parametrize(
    ("says", "got"),
    [
        ("echo v2.11.3 h1:abc", ""),
        ("echo 2.12.0", ""),
        ("echo v2.10.2 h1:abc", "2.10.2"),
        ("echo v2.11.3; exit 1", "none there"),
        ("echo hello", "none there"),
    ],
)
def test_a_program_of_the_operators_own_is_led_to_where_it_is_new_enough(tmp_path: Path, says: str, got: str) -> None:
    shop = Paths("shop", etc=tmp_path / "etc", run=tmp_path / "run", bin=tmp_path / "bin")
    program = tmp_path / "caddy"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    if got:
        with pytest.raises(RaabError, match=rf"version 2\.11\.3 or newer is needed, got {got}"):
            caddy.own(str(program))
        return
    caddy.use(shop.edge, caddy.own(str(program)))
    assert shop.edge.caddy.readlink() == program
    caddy.use(shop.edge, shop.edge.programs / "caddy-2.11.7-0")
    assert str(shop.edge.caddy.readlink()) == "caddy-2.11.7-0"


def test_a_program_that_is_not_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(RaabError, match="got none there"):
        caddy.own(str(tmp_path / "caddy"))
