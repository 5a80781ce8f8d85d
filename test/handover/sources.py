"""The source of gunicorn and gevent as installed: read and never run, since much of gevent is replaced by compiled code when imported."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("gunicorn", "gevent")
# Of a class, what it is called with belongs to the class itself.
_MAKING = ("__init__", "__new__")


class Member(NamedTuple):
    """A member of a module or class: its full name, where it is defined, and its source there."""

    name: str
    source: str

    @property
    def digest(self) -> str:
        """Of the code alone: neither blank lines and comments nor the indentation of the whole count."""
        lines = (line.rstrip() for line in textwrap.dedent(self.source).splitlines())
        code = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
        return hashlib.sha256(code.encode()).hexdigest()[:12]


class Found(NamedTuple):
    """A statement of a module that defines a name."""

    module: str
    name: str
    node: ast.stmt


def ours(dotted: str) -> bool:
    """Whether a full name is gunicorn's or gevent's."""
    return dotted.split(".")[0] in PACKAGES


@cache
def _file(module: str) -> Path | None:
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    assert spec and spec.submodule_search_locations, f"{package} is not installed"
    base = Path(spec.submodule_search_locations[0], *rest)
    return next((path for path in (base / "__init__.py", base.with_suffix(".py") if rest else base) if path.is_file()), None)


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@cache
def _names(module: str) -> dict[str, ast.stmt]:
    """What a module defines or imports at its top, the first definition of each name; within `if` and `try` as well."""
    path = _file(module)
    found: dict[str, ast.stmt] = {}
    for node in _flat(ast.parse(path.read_text()).body) if path else ():
        for name in _defined(node):
            found.setdefault(name, node)
    return found


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        for field in ("body", "orelse", "handlers", "finalbody") if isinstance(node, ast.If | ast.Try | ast.With) else ():
            for inner in getattr(node, field, []):
                yield from _flat(inner.body) if isinstance(inner, ast.ExceptHandler) else _flat([inner])


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    return [target.id for target in targets(node) if isinstance(target, ast.Name)]


def targets(node: ast.AST) -> list[ast.expr]:
    """What a statement assigns to."""
    some = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []
    return [part for target in some for part in (target.elts if isinstance(target, ast.Tuple) else [target])]


@cache
def find(dotted: str) -> Found | None:
    """Where a full name, of a module's member, leads to. What comes from elsewhere, or is compiled, is the import that brings it."""
    module, _, name = dotted.rpartition(".")
    if not module or not ours(module) or name not in _names(module):
        return None
    node = _names(module)[name]
    origin = _imported_from(module, name)
    return (find(origin) if origin else None) or Found(module, name, node)


def _imported_from(module: str, name: str) -> str:
    """The full name of what a module imports under a name; empty when it is no import."""
    node = _names(module).get(name)
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return ""
    origin = next(alias.name for alias in node.names if name == (alias.asname or alias.name))
    if isinstance(node, ast.Import):
        return origin
    path = _file(module)
    assert path
    base = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return ".".join(filter(None, [base if node.level else "", node.module, origin]))


def is_module(dotted: str) -> bool:
    """Whether a full name is a module's."""
    return ours(dotted) and _file(dotted) is not None


def members(dotted: str) -> list[Member]:
    """A function by itself. A class, as what it derives from and has, and how it is made."""
    found = find(dotted)
    if found is None:
        return []
    name = f"{found.module}.{found.name}"
    if not isinstance(found.node, ast.ClassDef):
        return [Member(name, _text(found.module, found.node))]
    bases = ", ".join(map(ast.unparse, found.node.bases))
    making = [member for special in _MAKING for member in of_class(dotted, special)]
    return [Member(name, "\n".join([f"({bases})", *sorted(_attributes(name))])), *making]


@cache
def lineage(dotted: str) -> tuple[str, ...]:
    """A class and those that it derives from, by their full names, as far as they are gunicorn's and gevent's."""
    found = find(dotted)
    if found is None or not isinstance(found.node, ast.ClassDef):
        return ()
    line = [f"{found.module}.{found.name}"]
    for base in map(ast.unparse, found.node.bases):
        first, _, rest = base.partition(".")
        full = f"{_imported_from(found.module, first)}.{rest}" if rest else f"{found.module}.{base}"
        line += [one for one in lineage(full) if one not in line]
    return tuple(line)


@cache
def _attributes(dotted: str) -> dict[str, list[ast.stmt]]:
    """What a class itself defines: methods, its own variables, and what its methods assign to `self`."""
    found = find(dotted)
    assert found and isinstance(found.node, ast.ClassDef)
    attributes: dict[str, list[ast.stmt]] = {}
    for node in _flat(found.node.body):
        for name in _defined(node):
            attributes.setdefault(name, []).append(node)
        for inner in (one for one in ast.walk(node) if isinstance(one, ast.stmt)):
            for target in targets(inner):
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                    attributes.setdefault(target.attr, []).append(inner)
    return attributes


def of_class(dotted: str, name: str) -> list[Member]:
    """An attribute of a class: the method that counts with those that it calls by super(), or all that assigns the variable.

    A setting is an attribute of gunicorn's Config: the class that describes it.
    """
    found = []
    for cls in lineage(dotted):
        if nodes := _attributes(cls).get(name):
            found.append(Member(f"{cls}.{name}", "\n".join(_text(cls.rpartition(".")[0], node) for node in nodes)))
            if isinstance(nodes[0], ast.FunctionDef) and "super()" not in found[-1].source:
                break
    return found or (setting(name) if dotted == "gunicorn.config.Config" else [])


def setting(name: str) -> list[Member]:
    """The class that describes one of gunicorn's settings, without the text for people."""
    for node in _names("gunicorn.config").values():
        if isinstance(node, ast.ClassDef) and f"name = '{name}'" in map(ast.unparse, node.body):
            kept = [inner for inner in node.body if [target for target in map(ast.unparse, targets(inner)) if target != "desc"]]
            kept += [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            return [Member(f"gunicorn.config.{node.name}", "\n".join(_text("gunicorn.config", inner) for inner in kept))]
    return []


def callers(dotted: str, name: str) -> list[Member]:
    """The methods, in a class and those that it derives from, that use an attribute of `self`."""
    return [
        Member(f"{cls}.{method}", _text(cls.rpartition(".")[0], node))
        for cls in lineage(dotted)
        for method, nodes in _attributes(cls).items()
        for node in nodes
        if isinstance(node, ast.FunctionDef) and any(_is_own(inner, name) for inner in ast.walk(node))
    ]


def _is_own(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.value, ast.Name) and node.value.id == "self"


def _text(module: str, node: ast.stmt) -> str:
    path = _file(module)
    assert path
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    return "\n".join(_lines(path)[first - 1 : node.end_lineno])
