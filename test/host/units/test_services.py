"""Which services a host has, and which one is meant."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from test.host.command.test_status import told

from raab.errors import RaabError
from raab.host.command import cli, status
from raab.host.paths import Paths
from raab.host.units import claim, services


@pytest.fixture
def roots(tmp_path: Path) -> Paths:
    return Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "usr/local/bin", tmp_path / "var/lib")


def add(roots: Paths, *names: str) -> None:
    for name in names:
        paths = roots._replace(name=name)
        claim.take(paths)
        paths.releases.mkdir(parents=True)


def test_a_service_is_what_raab_has_made(roots: Paths) -> None:
    """And not whatever else lies in /opt."""
    assert services.names(roots) == ()
    for name in ("google/chrome", "shop-of-others/releases", "Lost+Found/releases"):
        (roots.opt / name).mkdir(parents=True)
    add(roots, "shop-x", "blog-x")
    assert services.names(roots) == ("blog-x", "shop-x")


def test_who_names_none_means_raab_s_own_or_the_only_one(roots: Paths) -> None:
    assert services.meant(roots).name == "raab"
    add(roots, "shop-x")
    assert services.meant(roots).name == "shop-x"
    add(roots, "blog-x")
    with pytest.raises(RaabError, match=r"which service\? this host has blog-x, shop-x\nhint: raab -s blog-x") as caught:
        services.meant(roots)
    assert caught.value.exit_code == 2
    add(roots, "raab")
    assert services.meant(roots).name == "raab"


@pytest.mark.parametrize("as_json", [True, False])
def test_the_status_of_several(roots: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """One that does not run holds nobody up, and is the exit code."""

    def whole(paths: Paths) -> dict[str, Any]:
        if paths.name == "blog":
            raise RaabError("blog: does not run", "start it", 3)
        more = {"templates": [], "serving": 2, "memory": {"workers": 1, "common": 0, "handover": 1}}
        workers = [{**worker, "private": 1, "shared": 1} for worker in told()["workers"]]
        return {**told(), **more, "workers": workers}

    monkeypatch.setattr(status, "whole", whole)
    services = [roots._replace(name=name) for name in ("blog", "shop")]
    assert status.run(services, argparse.Namespace(json=as_json)) == 3
    said = capsys.readouterr().out
    if as_json:
        assert json.loads(said)["blog"] == {"error": "blog: does not run"} and json.loads(said)["shop"]["target"] == 4
    else:
        assert said.startswith("blog\nblog: does not run\nhint: start it\n\nshop\nrelease      2026")


@pytest.fixture
def two(roots: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A host of two services; `raab` is typed there."""
    add(roots, "blog", "shop")
    monkeypatch.setattr(cli, "Paths", lambda name: roots._replace(name=name))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    return roots


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-s sohp status", "raab -s: no such service on this host, got sohp\nhint: it has blog, shop\n"),
        ("-s sohp metrics", "got sohp\nhint: it has"),
        ("-s ../etc drain", "no service can be called so, got ../etc"),
        ("check", "raab: which service? this host has blog, shop\nhint: raab -s blog ...\n"),
        ("drain", "raab: which service?"),
    ],
)
def test_a_service_that_is_not_clear_is_asked_for(two: Paths, capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    assert cli.main(words.split()) == 2
    assert said in capsys.readouterr().err


def test_the_metrics_of_several(two: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Each series has its service, and each metric its head once, as Prometheus wants it. One that cannot be asked holds nobody up."""
    two._replace(name="blog").runtime.mkdir(parents=True)
    (two._replace(name="blog").runtime / "metrics").symlink_to("/")
    assert cli.main(["metrics"]) == 1
    told = capsys.readouterr()
    assert "blog" in told.err and "not a folder" in told.err and 'raab_up{service="shop"} 0\n' in told.out and "blog" not in told.out
    (two._replace(name="blog").runtime / "metrics").unlink()
    assert cli.main(["metrics"]) == 0
    told = capsys.readouterr()
    assert 'raab_up{service="blog"} 0\nraab_up{service="shop"} 0\n' in told.out and told.out.count("# TYPE raab_up ") == 1
    assert cli.main(["-s", "blog", "metrics"]) == 0
    assert "shop" not in capsys.readouterr().out
