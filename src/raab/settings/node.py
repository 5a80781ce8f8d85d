"""Settings before they are typed: a tree in which every value knows where somebody wrote it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from raab import exitcodes
from raab.errors import RaabError
from raab.settings.secret import Secret

Scalar = str | int | float | bool | None | Secret


class Node(msgspec.Struct, frozen=True):
    """One value of a source.

    `where` is the file and line, or the name of the environment variable or credential; `path` the dotted path as its author wrote
    it; `text` marks a value that had no type in its source (an environment variable) and takes the one that is wanted.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    where: str
    path: str
    text: bool = False


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a setting. `got` is the value as it may be shown, or empty where there is none."""

    where: str
    message: str
    got: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" + (f", got {self.got}" if self.got else "")
        return f"{text}\nhint: {self.hint}" if self.hint else text


class ConfigError(RaabError):
    """Everything that is wrong with the settings, at once; a command that meets it ends with 2."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)), exit_code=exitcodes.BAD_INPUT)
        self.problems = problems


def merge(lower: Node, upper: Node) -> Node:
    """Lays `upper` over `lower`: sections key by key, all else (lists too) as a whole.

    A section left empty (`server:` with every key commented out) says nothing and changes nothing.
    """
    if not isinstance(lower.value, Mapping):
        return upper
    if upper.value is None:
        return lower
    if not isinstance(upper.value, Mapping):
        return upper
    merged = dict(lower.value)
    for key, node in upper.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, upper.where, upper.path)


def plain(node: Node) -> object:
    """The node's value without its origins, as msgspec and logging take it."""
    if isinstance(node.value, Mapping):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(child) for child in node.value]
    return node.value
