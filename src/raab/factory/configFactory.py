"""The only reader of YAML and of the environment: it turns them into one frozen Settings, or into everything that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from raab.release import current_release, release_folder
from raab.settings.kept import packed, unpacked
from raab.settings.node import ConfigError, Node, Problem, plain
from raab.settings.schema import Settings
from raab.settings.secret import MASK, Secret
from raab.settings.sources import ENVIRONMENTS, OWN, PACKAGED, credentials, files, layered, variables
from raab.settings.validation import build

# The host's own settings, of the service that this code is a release of.
ETC = Path("/etc") / current_release().service
# What this process keeps to, where somebody has said so.
_kept: Node | None = None


def load_settings(environ: Mapping[str, str] = os.environ, etc: Path = ETC) -> Settings:
    """The settings: packaged files, then the project's own, then `etc`, then credentials, then RAAB_ variables, each laid over the one
    before. In a process that keeps to settings (`keep_to`) and asks for its own, those.

    RAAB_ENVIRONMENT chooses the environment; without it a release runs in production and a checkout in development.
    Raises ConfigError with every problem at once; a misspelt key is one also in a section that this environment does not use.
    """
    return _load(environ, etc)[0]


def read_once(environ: Mapping[str, str] = os.environ, etc: Path = ETC) -> tuple[Settings, str]:
    """As load_settings, with what `keep_to` wants to be told. Secrets stand in it in plain (kept.py)."""
    settings, tree = _load(environ, etc)
    return settings, packed(tree)


def keep_to(text: str) -> None:
    """Have every load_settings() of this process give the settings that `read_once` found, in this one or another of the same release.

    A generation's workers are forked, and its application loaded anew, at any time: all of them shall run by one reading.
    """
    global _kept
    _kept = unpacked(text)


def explain(environ: Mapping[str, str] = os.environ, etc: Path = ETC) -> list[tuple[str, str, str]]:
    """Each effective setting as (dotted path, masked value, where it was set). Raises ConfigError as load_settings does."""
    settings, tree = _load(environ, etc)
    return list(_leaves(settings, tree))


def _load(environ: Mapping[str, str], etc: Path) -> tuple[Settings, Node]:
    if _kept is not None and environ is os.environ and etc == ETC:
        return build(_kept, Settings, []), _kept
    problems: list[Problem] = []
    # Somebody who types `raab config` on a server, where the service gets the variable from its unit, means the service's settings.
    unsaid = "development" if current_release().id == "development" else "production"
    environment = environ.get("RAAB_ENVIRONMENT", unsaid)
    if environment not in ENVIRONMENTS:
        hint = f"one of {', '.join(ENVIRONMENTS)}"
        problems.append(Problem("RAAB_ENVIRONMENT", "unknown environment", repr(environment), hint))
        environment = "production"
    layers: list[Node] = []
    release = release_folder()
    for folder in (PACKAGED, *((release / OWN,) if release else ()), etc):
        for node, used in files(folder, environment, problems):
            if used:
                layers.append(node)
            else:
                build(node, Settings, problems, partial=True)
    layers.extend(credentials(environ, Settings.__struct_fields__, problems))
    layers.extend(variables(environ, problems))
    # `environment` is chosen by its variable alone: in a file it would have to choose the sections of the file that it stands in.
    stray = [node.value["environment"] for node in layers if isinstance(node.value, Mapping) and "environment" in node.value]
    problems.extend(Problem(node.where, f"{node.path}: unknown key", hint="set RAAB_ENVIRONMENT instead") for node in stray)
    chosen = Node(environment, "RAAB_ENVIRONMENT" if "RAAB_ENVIRONMENT" in environ else "default", "environment")
    layers.append(Node({"environment": chosen}, chosen.where, ""))
    tree = layered(layers)
    settings = build(tree, Settings, problems)
    if problems:
        raise ConfigError(tuple(dict.fromkeys(problems)))
    return settings, tree


def _leaves(value: object, node: Node | None, path: str = "") -> Iterator[tuple[str, str, str]]:
    prefix = f"{path}." if path else ""
    children = node.value if node and isinstance(node.value, Mapping) else {}
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _leaves(getattr(value, name), children.get(name), prefix + name)
    elif children:
        for name, child in children.items():
            yield from _leaves(None, child, prefix + name)
    elif node is None:
        yield path, "" if isinstance(value, Secret) else _text(value), "default"
    else:
        yield path, MASK if isinstance(node.value, Secret) else _text(plain(node)), node.where


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
