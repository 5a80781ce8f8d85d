"""Finds modules and registers them. What is in the folder is served, or the start fails and says why: a route that silently does not
exist because nobody imported its file is impossible."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from flask import Blueprint, Flask

from raab.errors import RaabError
from raab.factory.importing import import_or_explain
from raab.settings.meant import meant
from raab.settings.node import ConfigError, Problem
from raab.settings.schema import Settings
from raab.web.context import PATHS
from raab.web.frameworks import in_context
from raab.web.health import Check


class Module(msgspec.Struct, frozen=True):
    """A business module: its short name, and what its package offers."""

    name: str
    package: str
    blueprint: Blueprint
    init_app: Callable[[Flask], object] | None
    ready: Callable[[], str | None] | None
    settings: type[msgspec.Struct] | None


class Registered(msgspec.Struct, frozen=True):
    """What the application keeps, as `app.extensions["raab"]`: its settings, its modules, the modules' own settings by type, and what
    decides whether it is ready."""

    settings: Settings
    modules: tuple[Module, ...]
    sections: dict[type[msgspec.Struct], msgspec.Struct]
    checks: tuple[Check, ...]


def find_modules(packages: tuple[str, ...]) -> tuple[Module, ...]:
    """Each module of each package, by package as listed and then by name, with every file of it imported. Raises RaabError."""
    found: dict[str, Module] = {}
    for package_name in packages:
        package = import_or_explain(package_name, "config.yaml: modules")
        if not hasattr(package, "__path__"):
            raise RaabError(f"config.yaml: modules: must name packages, got {package_name!r}", "it is a single file; make a folder of it")
        for info in sorted(pkgutil.iter_modules(package.__path__, f"{package_name}."), key=lambda info: info.name):
            module = _load(info.name)
            if module.name in found:
                raise RaabError(f"{found[module.name].package} and {info.name}: two modules have one name", "rename one of the folders")
            found[module.name] = module
        for folder in package.__path__:
            _refuse_unfindable(Path(folder))
    return tuple(found.values())


def register(app: Flask, modules: tuple[Module, ...], settings: Settings) -> Registered:
    """Registers blueprints, hands out the modules' own settings, then calls each init_app, in order. Raises RaabError."""
    checks = tuple(Check(module.package, in_context(app, module.ready)) for module in modules if module.ready is not None)
    registered = app.extensions["raab"] = Registered(settings, modules, _sections(modules, settings), checks)
    owners = {(path, "GET"): "raab itself" for path in PATHS}
    for module in modules:
        before = set(map(id, app.url_map.iter_rules()))
        try:
            app.register_blueprint(module.blueprint)
        except ValueError as error:
            raise RaabError(f"{module.package}: its blueprint cannot be registered, got {error}", "give it a name of its own") from error
        _claim(app, module.package, before, owners)
    for module in modules:
        if module.init_app is not None:
            module.init_app(app)
    return registered


def _load(package_name: str) -> Module:
    package = import_or_explain(package_name, "modules")
    # Views often stand in files of their own, which the package's __init__ need not know.
    for info in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package_name}.", onerror=lambda _: None):
        import_or_explain(info.name, "modules")
    name = package_name.rpartition(".")[2]
    blueprint = _offer(package, "blueprint", "a flask.Blueprint", lambda value: isinstance(value, Blueprint))
    if blueprint is None:
        raise RaabError(f"{package_name}: has no blueprint", f"add `blueprint = Blueprint({name!r}, __name__)` to {package.__file__}")
    return Module(
        name,
        package_name,
        blueprint,
        init_app=_offer(package, "init_app", "a function", callable),
        ready=_offer(package, "ready", "a function", callable),
        settings=_offer(package, "settings", "a msgspec.Struct type", lambda value: issubclass(value, msgspec.Struct)),
    )


def _offer(package: ModuleType, name: str, what: str, fits: Callable[[Any], bool]) -> Any:
    """What the package has under `name`, or None. A file of that name (settings.py) is no offer."""
    value = getattr(package, name, None)
    if value is None or isinstance(value, ModuleType):
        return None
    try:
        if fits(value):
            return value
    except TypeError:
        # issubclass() of something that is no class.
        pass
    raise RaabError(f"{package.__name__}.{name}: must be {what}, got {value!r}", "raab asks each module for this name; rename yours")


def _refuse_unfindable(folder: Path) -> None:
    """Python takes a folder without __init__.py for no module, and would leave it out without a word."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not (path / "__init__.py").exists() and next(path.glob("*.py"), None):
            message = f"{path}: has Python files but no __init__.py, so nothing of it would be served"
            raise RaabError(message, "add the file, or move the folder")


def _sections(modules: tuple[Module, ...], settings: Settings) -> dict[type[msgspec.Struct], msgspec.Struct]:
    """Each module's own settings as its own type; every problem at once. A section that no module asks for is one."""
    wanted = {module.name: module.settings for module in modules if module.settings is not None}
    problems: list[Problem] = []
    for name, node in settings.modules.nodes.items():
        if name not in wanted:
            hint = meant(name, wanted, f"modules with settings: {', '.join(sorted(wanted)) or 'none'}")
            problems.append(Problem(node.where, f"{node.path}: no module of that name has settings", hint=hint))
    sections: dict[type[msgspec.Struct], msgspec.Struct] = {}
    for name, struct in wanted.items():
        try:
            sections[struct] = settings.modules.bind(name, struct)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return sections


def _claim(app: Flask, owner: str, before: set[int], owners: dict[tuple[str, str], str]) -> None:
    """Notes whose each new route is. Werkzeug would serve the first of two equal rules and never the second. Raises RaabError."""
    for rule in app.url_map.iter_rules():
        if id(rule) in before:
            continue
        # /a/<x> and /a/<y> are one rule to a request, whatever the parameter is called.
        shape = re.sub(r"<(?:([^:<>]+):)?[^<>]*>", r"<\1>", rule.rule)
        for method in sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}):
            here = f"{owner} ({rule.endpoint})"
            other = owners.setdefault((shape, method), here)
            if other != here:
                raise RaabError(f"{other} and {here}: both serve one route, got {method} {rule.rule}", "change one of the two")
