"""Which folders of a release its edge serves by itself: those that the environment's file names, by where they come to lie."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from raab import exitcodes
from raab.deploy.bundle.packing import SRC
from raab.deploy.bundle.parts import Part
from raab.deploy.bundle.tree import Tree
from raab.errors import RaabError
from raab.project import archive, description
from raab.project.choice import below
from raab.protocol.edge import Edge, key


def placed(edge: Edge, tree: Tree) -> Edge:
    """The same with its folders as a release has them. Raises RaabError for one that the project does not have, or that the service
    writes."""
    for static in edge.statics:
        if any(below(static.folder, (name,)) or below(name, (static.folder,)) for name in tree.choice.writable):
            problem = f"static: {static.folder} is what the service writes, and in no release"
            raise RaabError(problem, "the service gives these files itself, and knows to whom", exitcodes.BAD_INPUT)
        if not any(name.startswith(f"{static.folder}/") for name in tree.names):
            problem = f"static: the project has no folder with files, got {static.folder} for {static.prefix}"
            hint = f"does git ignore it? What `build` makes is named by `include` in {description.FILE}"
            raise RaabError(problem, hint, exitcodes.BAD_INPUT)
    if tree.kind != "wheel":
        return edge
    return edge._replace(statics=tuple(one._replace(folder=one.folder.removeprefix(SRC)) for one in edge.statics))


def put(edge: Edge, tree: Tree, target: Path) -> None:
    """All of it as one file for edges that stand elsewhere: a folder for each prefix."""
    files = {}
    for one in tree.files:
        name = one.name.removeprefix(SRC) if tree.kind == "wheel" else one.name
        for static in edge.statics:
            if name.startswith(f"{static.folder}/"):
                files[key(static.prefix) + name.removeprefix(static.folder)] = (one.path.read_bytes(), False)
    archive.write(target, files)


def carried(edge: Edge, parts: Iterable[Part]) -> None:
    """Raises RaabError for a folder of which nothing is in what is sent: a wheel has what its packages have."""
    names: set[str] = set()
    for part in parts:
        if part.name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(part.path) as sent:
                names.update(sent.namelist())
    for static in edge.statics:
        if not any(name.startswith(f"{static.folder}/") for name in names):
            problem = f"static: the project's wheel has nothing of it, got {static.folder} for {static.prefix}"
            hint = f"bring the folder into a package, or have the code travel as it is: `code: files` in {description.FILE}"
            raise RaabError(problem, hint, exitcodes.BAD_INPUT)
