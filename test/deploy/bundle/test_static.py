"""Folders that the edge serves by itself, by where a release has them; and those that none has."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from raab.deploy.bundle import build as bundle
from raab.errors import RaabError
from raab.protocol.edge import Edge, Static


def told(folder: str) -> Edge:
    return Edge(("shop.example",), statics=(Static("/static", folder),))


def test_a_folder_of_a_package_is_named_as_the_wheel_has_it(tree: Path) -> None:
    (tree / "src/raab/static").mkdir(parents=True)
    (tree / "src/raab/static/app.css").write_text("a{}")
    made = bundle.build(tree, edge=told("src/raab/static"))
    assert json.loads(made.manifest)["edge"]["statics"] == [{"prefix": "/static", "folder": "raab/static"}]
    assert (
        bundle.build(tree, edge=told("src/raab/static")).id
        == made.id
        != bundle.build(tree, edge=told("src/raab/static")._replace(statics=())).id
    )


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("src/raab/none", "the project has no folder with files, got src/raab/none for /static"),
        ("deploy", "the project's wheel has nothing of it, got deploy for /static"),
        ("kept/media", "kept/media is what the service writes"),
        ("kept", "kept is what the service writes"),
    ],
)
def test_a_folder_that_no_release_would_have_is_refused(tree: Path, folder: str, why: str) -> None:
    file = tree / "deploy/config.yaml"
    file.write_text(file.read_text() + "writable: [kept/media/]\n")
    with pytest.raises(RaabError) as caught:
        bundle.build(tree, edge=told(folder))
    assert why in caught.value.message and caught.value.exit_code == 2


def test_edges_elsewhere_are_sent_the_folders_alone(tree: Path) -> None:
    """By each prefix, the same bytes for the same files; one that was damaged is made anew."""
    for name in ("src/raab/static/sub/app.css", "src/raab/more/x"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text(name)
    edge = Edge(("a.example",), edges=("10.0.0.9",), statics=(Static("/s", "src/raab/static"), Static("/s/more", "src/raab/more")))
    made = bundle.build(tree, edge=edge)
    assert made.static and made.edge and made.edge.files == made.static.sha256
    with zipfile.ZipFile(made.static.path) as archive:
        assert archive.namelist() == ["s+more/x", "s/sub/app.css", ".raab/RECORD"]
        assert archive.read("s+more/x") == b"src/raab/more/x"
    assert not any(part.name == made.static.name for part in made.parts)
    made.static.path.write_bytes(b"damaged")
    assert bundle.build(tree, edge=edge).static == made.static
    assert bundle.build(tree, edge=edge._replace(edges=())).static is None
