"""Strict YAML with positions: every value knows its line, and nothing is read as something that its author did not mean."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from raab.settings.node import ConfigError, Node, Problem


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's core scalars only. In 1.1 `no` is false, `1:30` is 90, `010` is 8, `+49` is 49 and `2026-01-01` a date; here they are
    text, and so a type error wherever text is not wanted."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own name and shape)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[-+]?[0-9]{1,2})?", "-0123456789"),
    ("null", r"null|~|", ["n", "~", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_yaml(path: Path) -> Node:
    """Reads one file. An empty file is an empty section.

    Raises ConfigError when it cannot be read, is no UTF-8, no YAML, or no section (mapping) at its top.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError((Problem(str(path), f"cannot be read ({error.strerror})", hint="correct its owner and mode"),)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError((Problem(f"{path}:{line}", "is not UTF-8", hint="save the file as UTF-8"),)) from error
    node = parse_yaml(text, str(path))
    if node.value is None:
        return Node({}, node.where, "")
    if not isinstance(node.value, dict):
        raise ConfigError((Problem(node.where, "must hold `key: value` lines at its top", got=_kind(node)),))
    return node


def parse_yaml(text: str, name: str, *, lines: bool = True) -> Node:
    """Parses one YAML document; `name` and, with `lines`, the line number become each value's `where`.

    Raises ConfigError for everything that is not plain data written once: broken YAML, several documents, tags, aliases, keys
    that are no text, a key that stands twice.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark and lines else name
        reason = error.problem or error.context
        raise ConfigError((Problem(where, f"is not YAML: {reason}", hint="check indentation and quotes there"),)) from error
    except yaml.YAMLError as error:
        # The reader's error: a character that YAML forbids. Its own text would show the file's content.
        line = text[: getattr(error, "position", 0)].count("\n") + 1
        raise ConfigError((Problem(f"{name}:{line}" if lines else name, "holds a character that YAML forbids"),)) from error
    except RecursionError as error:
        raise ConfigError((Problem(name, "is nested too deeply"),)) from error
    if root is None:
        return Node(None, f"{name}:1" if lines else name, "")
    problems: list[Problem] = []
    try:
        node = _convert(root, "", name if lines else None, name, set(), problems)
    except RecursionError as error:
        raise ConfigError((Problem(name, "is nested too deeply"),)) from error
    if problems:
        raise ConfigError(tuple(problems))
    return node


def _convert(raw: yaml.Node, path: str, file: str | None, name: str, seen: set[int], problems: list[Problem]) -> Node:
    where = f"{file}:{raw.start_mark.line + 1}" if file else name
    if id(raw) in seen:
        problems.append(Problem(where, f"{path}: aliases (*name) are not supported", hint="write the value out"))
        return Node(None, where, path)
    seen.add(id(raw))
    kind = raw.tag.removeprefix("tag:yaml.org,2002:")
    if isinstance(raw, yaml.ScalarNode) and kind in ("str", "int", "float", "bool", "null"):
        return Node(_scalar(kind, raw.value), where, path)
    if isinstance(raw, yaml.SequenceNode) and kind == "seq":
        return Node(tuple(_convert(child, f"{path}[{i}]", file, name, seen, problems) for i, child in enumerate(raw.value)), where, path)
    if not isinstance(raw, yaml.MappingNode) or kind != "map":
        problems.append(Problem(where, f"{path}: tags are not supported", got=raw.tag, hint="write plain values"))
        return Node(None, where, path)
    children: dict[str, Node] = {}
    for raw_key, raw_value in raw.value:
        line = f"{file}:{raw_key.start_mark.line + 1}" if file else name
        if not isinstance(raw_key, yaml.ScalarNode) or raw_key.tag != "tag:yaml.org,2002:str":
            problems.append(Problem(line, f"{path or 'top'}: a key must be text", hint="put it in quotes"))
            continue
        key: str = raw_key.value
        child = f"{path}.{key}" if path else key
        if key in children:
            problems.append(Problem(line, f"{child}: stands twice, first in {children[key].where}", hint="keep one of them"))
            continue
        node = _convert(raw_value, child, file, name, seen, problems)
        # A value's place is its key's line: a section's first child may stand far below it.
        children[key] = Node(node.value, line, child)
    return Node(children, where, path)


def _scalar(kind: str, text: str) -> str | int | float | bool | None:
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text)
    if kind == "bool":
        return text == "true"
    return None if kind == "null" else text


def _kind(node: Node) -> str:
    return "a list" if isinstance(node.value, tuple) else repr(node.value)
