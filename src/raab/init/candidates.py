"""Where a project's application may be, read from its sources: nothing of it is run here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from raab.project.variables import settings

# What makes a WSGI application when it is called, by the last part of its name.
MAKERS = ("Flask", "Quart", "Bottle", "API", "App", "get_wsgi_application", "default_app", "make_wsgi_app", "FastAPI", "Starlette")
FACTORIES = ("create_app", "make_app", "app_factory", "create_application", "get_app", "build_app")
# Files that have it in most projects, the likeliest first; and what it is called there.
FILES = ("wsgi", "app", "application", "main", "server", "run", "__init__")
NAMES = ("application", "app", "wsgi", "wsgi_app")
CONVENTION = "wsgi"
# Folders in which nobody's application is.
ELSEWHERE = frozenset({"test", "tests", "docs", "doc", "node_modules", "venv", "env", "build", "dist", "migrations", "examples", "deploy"})
DEEPEST = 3


class Candidate(Struct, frozen=True, order=True):
    """`rank` sorts the likeliest first; `target` is module:name, `place` the folder on sys.path that the module is found from."""

    rank: tuple[int, ...]
    target: str
    place: str


def find(root: Path) -> list[Candidate]:
    """The likeliest first."""
    if django := of_django(root):
        return [django]
    found = []
    for place in ("src", "."):
        home = root / place
        if place == "." or (home.is_dir() and not (home / "__init__.py").exists()):
            for path in sources(home):
                if place == "." and path.is_relative_to(root / "src") and not (root / "src/__init__.py").exists():
                    continue
                found += list(within(path, home, place))
    return sorted(found)


def of_django(root: Path) -> Candidate | None:
    """manage.py names the settings; the application lies beside these, or in a package that they are in."""
    for place in (".", "src"):
        manage = root / place / "manage.py"
        if not manage.is_file():
            continue
        around = settings(manage).split(".")[:-1]
        for depth in range(len(around), -1, -1):
            if root.joinpath(place, *around[:depth], "wsgi.py").is_file():
                return Candidate((0,), f"{'.'.join((*around[:depth], 'wsgi'))}:application", place)
    return None


def sources(home: Path) -> Iterator[Path]:
    for path in sorted(home.rglob("*.py")):
        parts = path.relative_to(home).parts
        if (
            len(parts) <= DEEPEST
            and not any(part in ELSEWHERE or part.startswith(".") for part in parts[:-1])
            and path.stem in named(parts)
        ):
            yield path


def named(parts: tuple[str, ...]) -> tuple[str, ...]:
    """At the top any file may have it that is called like the project."""
    return (*FILES, parts[-1].removesuffix(".py")) if len(parts) == 1 else FILES


def within(path: Path, home: Path, place: str) -> Iterator[Candidate]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError):
        return
    parts = path.relative_to(home).with_suffix("").parts
    if not all(part.isidentifier() for part in parts):
        return
    module = ".".join(part for part in parts if part != "__init__")
    file = FILES.index(parts[-1]) if parts[-1] in FILES else len(FILES)
    for node in tree.body:
        for name in bound(node) if parts[-1] == CONVENTION else ready(node):
            yield Candidate((0, NAMES.index(name) if name in NAMES else len(NAMES), file, len(parts)), f"{module}:{name}", place)
        if isinstance(node, ast.FunctionDef) and node.name in FACTORIES and takes(node) == 0:
            yield Candidate((1, FACTORIES.index(node.name), file, len(parts)), f"{module}:{node.name}()", place)


def ready(node: ast.stmt) -> Iterator[str]:
    """Names that are bound to an application: to the call of what makes one, or of a factory; or that are one, by what they take."""
    if isinstance(node, ast.FunctionDef):
        # environ and start_response (PEP 3333).
        yield from (node.name,) if node.name in NAMES and not node.decorator_list and takes(node) == 2 else ()
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
        return
    function = node.value.func
    called = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    if called in MAKERS or called in FACTORIES:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def bound(node: ast.stmt) -> Iterator[str]:
    """In the file that is there for servers: an application by its name, whatever makes it; and what is one by what makes it."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
    elif isinstance(node, ast.ImportFrom):
        names = [alias.asname or alias.name for alias in node.names]
    else:
        names = []
    yield from dict.fromkeys((*(name for name in names if name in NAMES), *ready(node)))


def takes(node: ast.FunctionDef) -> int:
    """How many arguments it has to be given."""
    given = node.args
    return len(given.posonlyargs) + len(given.args) - len(given.defaults) + given.kw_defaults.count(None)
