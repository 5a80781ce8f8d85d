"""A YAML file whose comments are its documentation, as text: each comment with the keys that stand below it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from kinds import default

_KEY = re.compile(r"(?P<indent> *)(?P<off># )?(?P<name>[a-z_]+):(?: (?P<value>.*))?$")


@dataclass(frozen=True)
class Key:
    """`path` leads from the file's top; `value` is what stands behind the colon, or below it."""

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class Remark:
    """A comment's lines, and the keys right below it: none where an empty line or a section comes next."""

    lines: tuple[str, ...]
    keys: tuple[Key, ...]
    within: tuple[str, ...]


def remarks(text: str, leaves: Sequence[str] = (), off: Sequence[str] = ()) -> Iterator[Remark]:
    """What a file says, in its order. Keys of the paths `leaves` (with dots) have no keys below them that are told apart, and those
    named in `off` are keys also where they are commented out."""
    lines: list[str] = []
    keys: list[Key] = []
    sections: list[tuple[int, str]] = []
    deaf = -1
    whole = yaml.safe_load(text)

    def told() -> Iterator[Remark]:
        if lines or keys:
            yield Remark(tuple(lines), tuple(keys), tuple(name for _, name in sections))
        lines.clear()
        keys.clear()

    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        key = _KEY.match(line)
        if not line.strip():
            yield from told()
        elif 0 <= deaf < indent and not key:
            continue
        elif key and (not key["off"] or key["name"] in off) and not 0 <= deaf < indent:
            deaf = -1
            sections[:] = [one for one in sections if one[0] < indent]
            path = (*(name for _, name in sections), key["name"])
            if key["value"] or key["off"] or ".".join(path) in leaves:
                below = "" if key["off"] else default(functools.reduce(lambda tree, name: tree[name], path, whole))
                keys.append(Key(path, key["value"] or below))
                deaf = indent
            else:
                yield from told()
                sections.append((indent, key["name"]))
        elif line.lstrip().startswith("#"):
            if keys:
                yield from told()
            lines.append(line.lstrip().removeprefix("#").removeprefix(" "))
    yield from told()
