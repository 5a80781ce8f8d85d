"""What a release changes for those who run it: commits, dependencies and packaged settings. Pure; a dry run alone asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from raab.settings.node import ConfigError, Node, plain
from raab.settings.yamlfile import parse_yaml

LOCK = "requirements.lock"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
COMMITS = 10


def between(old: Mapping[str, str], new: Mapping[str, str], commits: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A line for each difference. `old` and `new` hold a release's lock and its packaged YAML files, by name; `commits` the titles
    of those from one to the other, newest first."""
    told = [f"commit {title}" for title in commits[:COMMITS]]
    if len(commits) > COMMITS:
        told.append(f"and {len(commits) - COMMITS} commits before them")
    told += changed("dependency", pins(old.get(LOCK, "")), pins(new.get(LOCK, "")))
    for name in sorted((old.keys() | new.keys()) - {LOCK}):
        told += changed(f"setting {name}:", values(old.get(name, "")), values(new.get(name, "")))
    return tuple(told)


def changed(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{what} {name} {old[name]} goes"
        elif name not in old:
            yield f"{what} {name} {new[name]} comes"
        elif old[name] != new[name]:
            yield f"{what} {name} {old[name]} -> {new[name]}"


def pins(lock: str) -> dict[str, str]:
    """The projects of a lock with their versions."""
    return dict(PINNED.findall(lock))


def values(text: str) -> dict[str, str]:
    """The values of a YAML file by their dotted paths; a broken one has nothing but its problem."""
    try:
        return dict(leaves(parse_yaml(text, "")))
    except ConfigError as error:
        return {"the file": error.problems[0].message}


def leaves(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node.value, Mapping) and node.value:
        for child in node.value.values():
            yield from leaves(child)
    elif node.path:
        yield node.path, str(plain(node))
