"""Files of releases that are kept, laid together for the edge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host.edge import assets, sites, through
from raab.host.paths import Paths
from raab.protocol.edge import Edge, Static
from raab.protocol.reading import plainly

ONE, TWO, THREE = (f"2026010{day}T000000Z-aaaaaa{day}" for day in (1, 2, 3))
TOLD = Edge(("shop.example",), statics=(Static("/static", "static"), Static("/static/more", "more")))


@pytest.fixture
def shop(tmp_path: Path) -> Paths:
    return Paths("shop", opt=tmp_path / "opt", etc=tmp_path / "etc", run=tmp_path / "run")


def release(shop: Paths, name: str, files: dict[str, str], told: Edge = TOLD) -> Path:
    home = shop.release(name)
    for file, text in files.items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(text)
    (home / "manifest.json").write_text(json.dumps({"edge": plainly(told)}))
    return home


def served(shop: Paths, prefix: str = "/static") -> dict[str, str]:
    home = assets.folder(shop, prefix)
    return {str(file.relative_to(home)): file.read_text() for file in sorted(home.rglob("*")) if file.is_file()}


def journalled(shop: Paths, *names: str) -> None:
    lines = [{"time": 1.0, "release": name, "from": None, "action": "deploy", "verdict": "serving"} for name in names]
    shop.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_file_is_that_of_the_release_which_serves_and_else_of_the_last_that_did(shop: Paths) -> None:
    for name in (ONE, TWO, THREE):
        release(shop, name, {"app/static/all.css": name, f"app/static/sub/{name}.js": name, "app/more/x": name})
    (shop.release(ONE) / "app/static/old.txt").write_text("one")
    (shop.release(TWO) / "app/static/old.txt").write_text("two")
    # Their order is the journal's, and not the names'.
    journalled(shop, TWO, ONE, THREE)
    assets.arrange(shop, THREE)
    files = {f"sub/{name}.js": name for name in (ONE, TWO, THREE)}
    assert served(shop) == {"all.css": THREE, "old.txt": "one", **files}
    assert served(shop, "/static/more") == {"x": THREE}
    # Before it is switched to another one, and afterwards.
    assets.arrange(shop, THREE, TWO)
    assert served(shop) == {"all.css": THREE, "old.txt": "two", **files}
    assets.arrange(shop, TWO)
    assert served(shop) == {"all.css": TWO, "old.txt": "two", **files}
    # The file itself, with its time, and as everybody may read it.
    assert (assets.folder(shop, "/static") / "all.css").samefile(shop.release(TWO) / "app/static/all.css")
    assert {path.stat().st_mode & 0o777 for path in shop.statics.rglob("*") if path.is_dir()} == {0o755}


def test_what_is_pruned_is_gone_with_the_next_one_and_what_stays_was_never_away(shop: Paths) -> None:
    for name in (ONE, TWO):
        release(shop, name, {"app/static/all.css": "same", f"app/static/{name}.js": name})
    assets.arrange(shop, TWO)
    shop.manifest(ONE).unlink()
    assert served(shop)["all.css"] == "same" and f"{ONE}.js" in served(shop)
    assets.arrange(shop, TWO)
    assert served(shop) == {"all.css": "same", f"{TWO}.js": TWO}
    assert sorted(path.name for path in shop.statics.iterdir()) == ["a", "b", "current"]


def test_folders_and_files_in_each_others_way_and_links_that_lead_elsewhere(shop: Paths, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    new = release(shop, TWO, {"app/static/a": "file", "app/static/b/c": "file"})
    release(shop, ONE, {"app/static/a/x": "old", "app/static/a/y": "old", "app/static/b": "old", "app/static/z": "old"})
    (new / "app/static/link").symlink_to(tmp_path / "secret")
    (new / "app/static/folder").symlink_to(tmp_path)
    assets.arrange(shop, TWO)
    assert served(shop) == {"a": "file", "b/c": "file", "z": "old"}
    assert not list(shop.statics.rglob("link")) and not list(shop.statics.rglob("folder"))


def test_only_releases_that_say_so_have_any(shop: Paths) -> None:
    """raab's own project lies in the environment; of edges elsewhere this host is none."""
    release(shop, ONE, {"venv/lib/python3.11/site-packages/static/a": "a"})
    release(shop, TWO, {"app/static/b": "b"}, TOLD._replace(edges=("10.0.0.1",)))
    release(shop, THREE, {"app/static/c": "c"}, TOLD._replace(statics=()))
    (shop.releases / "backup-by-ann").mkdir()
    assets.arrange(shop, THREE)
    assert served(shop) == {"a": "a"}
    shop.manifest(ONE).write_text("{")
    assets.arrange(shop, THREE)
    assert not shop.statics.exists()


def test_the_longer_prefix_is_looked_at_first(shop: Paths) -> None:
    statics = sites.of(shop, TOLD).statics
    assert [one.prefix for one in statics] == ["/static/more", "/static"]
    assert statics[0].folders == (f"{shop.root}/static/current/static+more",)


def test_what_an_edge_was_brought_is_that_of_the_release_it_was_told_of_last(shop: Paths) -> None:
    """And goes with what it was told of that release."""
    told = [TOLD._replace(files=letter * 64) for letter in "abc"]
    for one in told:
        for file, text in (("all.css", one.files), (f"{one.files[0]}.js", "")):
            place = shop.brought / one.files / "files/static" / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    assets.arrange_brought(shop, told[1], told[0], told[1], TOLD)
    assert served(shop) == {"all.css": "b" * 64, "a.js": "", "b.js": ""}
    assets.forget(shop, (told[0], TOLD))
    assert [path.name for path in shop.brought.iterdir()] == ["a" * 64] and "b.js" in served(shop)
    assets.arrange_brought(shop, told[0])
    assert served(shop) == {"all.css": "a" * 64, "a.js": ""}


@pytest.mark.parametrize(
    ("status", "headers", "got"), [(200, {}, ""), (404, {}, "status 404"), (200, {"x-request-id": "1"}, "the service's answer")]
)
def test_a_deploy_asks_for_a_file_of_each_folder(shop: Paths, monkeypatch: pytest.MonkeyPatch, status: int, headers: Any, got: str) -> None:
    home = release(shop, ONE, {"app/static/.hidden": "", "app/static/a b.css": "", "app/more/.hidden": ""})
    asked: list[str] = []
    monkeypatch.setattr(through, "answer", lambda _, domain, path: asked.append(f"{domain}{path}") or (status, headers))
    if got:
        with pytest.raises(RaabError, match=f"is not given by the edge, got {got}"):
            assets.prove(shop, TOLD, assets.of_release(home))
    else:
        assets.prove(shop, TOLD, assets.of_release(home))
    assert asked == ["shop.example/static/a%20b.css"]
