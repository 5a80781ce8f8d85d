"""Settings as they were read once, on their way into another process: it shall have these, whatever the files say by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from raab.settings.node import Node
from raab.settings.secret import Secret

_SECTION, _LIST, _SECRET, _PLAIN = "section", "list", "secret", "plain"


def packed(tree: Node) -> str:
    """The tree as text, secrets in plain: it is for a pipe or for memory, and never for a file, a log or a command line."""
    return msgspec.json.encode(_pack(tree)).decode()


def unpacked(text: str) -> Node:
    """The tree that `packed` made the text of."""
    return _unpack(msgspec.json.decode(text))


def _pack(node: Node) -> tuple[str, Any, str, str, bool]:
    value = node.value
    if isinstance(value, Mapping):
        return _SECTION, {key: _pack(child) for key, child in value.items()}, node.where, node.path, node.text
    if isinstance(value, tuple):
        return _LIST, list(map(_pack, value)), node.where, node.path, node.text
    if isinstance(value, Secret):
        return _SECRET, value.reveal(), node.where, node.path, node.text
    return _PLAIN, value, node.where, node.path, node.text


def _unpack(packed: Any) -> Node:
    kind, value, where, path, text = packed
    if kind == _SECTION:
        value = {key: _unpack(child) for key, child in value.items()}
    elif kind == _LIST:
        value = tuple(map(_unpack, value))
    elif kind == _SECRET:
        value = Secret(value)
    return Node(value, where, path, text)
