"""Which members of gunicorn and gevent this project overrides or uses, as its source says.

Too much is found rather than too little: a name that says nothing of its type may be any class's. What is reached by a string alone
(getattr, keys of a WSGI environment) is not found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .sources import Member, callers, is_module, lineage, members, of_class, ours, setting, targets

_CONFIG = "gunicorn.config.Config"
# Whose a name is that comes without a type: gunicorn's own names for its objects, and this project's for gevent's.
MEANT = {
    "_client": "gevent._socket3.socket",
    "_gevent": "gevent",
    "_socket": "gevent._socket3.socket",
    "app": "gunicorn.app.wsgiapp.WSGIApplication",
    "cfg": _CONFIG,
    "client": "gevent._socket3.socket",
    "get_hub": "gevent.hub.Hub",
    "greenlet": "gevent.greenlet.Greenlet",
    "log": "gunicorn.glogging.Logger",
    # The compiled loop has no source; gevent keeps the one for cffi like it.
    "loop": "gevent._ffi.loop.AbstractLoop",
    "monkey": "gevent.monkey",
    "setting": "gunicorn.config.Setting",
    "settings": _CONFIG,
    "tmp": "gunicorn.workers.workertmp.WorkerTmp",
}
# Of nobody's members that matter here.
_ELSEWHERE = ""
_LITERALS = ast.Constant | ast.JoinedStr | ast.List | ast.Dict | ast.Tuple | ast.Set | ast.ListComp


class Use(NamedTuple):
    """A member and where it is used, for people."""

    member: Member
    where: str


def of_project(root: Path) -> list[Use]:
    """All that src/handover and src/http1, the configuration file and src/raab override and use."""
    handover = sorted([*(root / "src/handover").rglob("*.py"), *(root / "src/http1").rglob("*.py")])
    raab = [path for path in sorted((root / "src/raab").rglob("*.py")) if any(map(ours, _imported(_tree(path)).values()))]
    files = [_File(path, str(path.relative_to(root))) for path in (*handover, *raab)]
    bases = {name: found for file in files for name, found in file.bases.items()}
    derived = {name: _first_of_ours(name, bases) for name in bases}
    # What these call by a name that says nothing may be a member of any class that it has to do with.
    classes = (*MEANT.values(), *(name for file in files[: len(handover)] for name in file.imports.values()))
    known = {name for name in classes if lineage(name) and (name.startswith("gunicorn.") or name not in MEANT.values())}
    uses = [use for file in files for use in file.uses(derived, sorted(known) if file.path in handover else [])]
    settings = root / "gunicorn.py"
    names = [name for node in _tree(settings).body for target in targets(node) for name in ast.walk(target)]
    uses += [Use(member, "gunicorn.py") for name in names if isinstance(name, ast.Name) for member in setting(name.id)]
    return uses


def _first_of_ours(name: str, bases: dict[str, list[str]]) -> str:
    """What of gunicorn's or gevent's a class of this project derives from, if need be by another one of this project."""
    for base in bases.get(name, ()):
        found = base if ours(base) else _first_of_ours(base.rpartition(".")[2], bases)
        if found:
            return found
    return _ELSEWHERE


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imported(tree: ast.Module) -> dict[str, str]:
    """The full name that each imported name stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


class _File:
    """One file of this project. `bases`: its classes, each with the full names of what it derives from."""

    def __init__(self, path: Path, where: str) -> None:
        self.path, self.where = path, where
        self.tree = _tree(path)
        self.imports = _imported(self.tree)
        self.classes = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)}
        self.bases = {name: [self._full(base) for base in node.bases] for name, node in self.classes.items()}

    def uses(self, derived: dict[str, str], known: list[str]) -> Iterator[Use]:
        """`derived`: what each class of the project derives from; `known`: the classes that a name without a type may belong to."""
        self._derived, self._known = derived, known
        self._types = self._learned()
        for name in self.imports.values():
            if ours(name) and not is_module(name):
                yield from (Use(member, self.where) for member in members(name))
        for name, node in self.classes.items():
            yield from self._overrides(node, derived[name])
        yield from self._attributes(self.tree, _ELSEWHERE)

    def _overrides(self, node: ast.ClassDef, base: str) -> Iterator[Use]:
        for inner in node.body:
            if isinstance(inner, ast.AnnAssign) and inner.value is None:
                # Says what gunicorn's is, and changes nothing.
                continue
            named = [inner.name] if isinstance(inner, ast.FunctionDef) else [ast.unparse(target) for target in targets(inner)]
            for name in named:
                for member in of_class(base, name):
                    yield Use(member, f"{self.where}, {node.name}.{name} overrides it")
                    yield from (Use(caller, f"{self.where}, {node.name}.{name} is called by it") for caller in callers(base, name))

    def _attributes(self, node: ast.AST, base: str) -> Iterator[Use]:
        if isinstance(node, ast.ClassDef):
            base = self._derived[node.name]
        if isinstance(node, ast.Attribute):
            for owner in self._owners(node.value, base):
                found = members(f"{owner}.{node.attr}") if is_module(owner) else of_class(owner, node.attr)
                yield from (Use(member, f"{self.where}:{node.lineno}") for member in found)
        for inner in ast.iter_child_nodes(node):
            yield from self._attributes(inner, base)

    def _owners(self, node: ast.expr, base: str) -> list[str]:
        """The modules and classes that an expression may stand for, as far as they are gunicorn's or gevent's."""
        full = self._full(node)
        if ours(full):
            return [full]
        if full.rpartition(".")[2] in self._derived:
            return [self._derived[full.rpartition(".")[2]]]
        called = self._full(node.func) if isinstance(node, ast.Call) else ""
        if full or (called and not ours(called)) or isinstance(node, _LITERALS):
            return []
        name = _last(node)
        if name in ("self", "cls", "super"):
            return [base]
        owners = self._types.get(name, set()) | ({MEANT[name]} if name in MEANT else set())
        return sorted(owners) if owners else self._known

    def _full(self, node: ast.expr) -> str:
        """The full name that a dotted expression leads to, if it begins with something imported or a class of this file."""
        if isinstance(node, ast.Attribute):
            start = self._full(node.value)
            return f"{start}.{node.attr}" if start else ""
        return self.imports.get(node.id, node.id if node.id in self.classes else "") if isinstance(node, ast.Name) else ""

    def _learned(self) -> dict[str, set[str]]:
        """Whose the names of this file are, from annotations, and from what is called to make them."""
        types: dict[str, set[str]] = {}
        nodes = list(ast.walk(self.tree))
        for node in nodes:
            if isinstance(node, ast.arg) and node.annotation:
                types.setdefault(node.arg, set()).update(self._annotated(node.annotation))
            elif isinstance(node, ast.AnnAssign):
                types.setdefault(_last(node.target), set()).update(self._annotated(node.annotation))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                for target in node.targets if self._full(node.value.func) else ():
                    types.setdefault(_last(target), set()).update(self._annotated(node.value.func))
        # `self._master = master`, and then `master = self._master` elsewhere.
        for node in (*nodes, *nodes):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute) and _last(node.value) in types:
                for target in node.targets:
                    types.setdefault(_last(target), set()).update(types[_last(node.value)])
        return types

    def _annotated(self, annotation: ast.expr) -> set[str]:
        found = set()
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name) and node.id not in ("Any", "object", "None"):
                full = self._full(node)
                short = full.rpartition(".")[2]
                found.add(full if ours(full) else self._derived.get(short, _ELSEWHERE))
        return found


def _last(node: ast.AST) -> str:
    """The name that says what an expression is: of an attribute its own, of a call what is called."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
