"""From a tree of nodes to a frozen value of a wanted type, with everything that is wrong reported at once."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from raab.release import current_release
from raab.settings.node import ConfigError, Node, Problem, plain
from raab.settings.secret import MASK, Secret
from raab.settings.yamlfile import parse_yaml

_T = TypeVar("_T")
_SECRETIVE = re.compile(r"secret|passw|token|credential|private|api_?key", re.IGNORECASE)


def _etc() -> str:
    """The host's own folder, of the service that this code is a release of."""
    return f"/etc/{current_release().service}"


def secretive(name: str) -> bool:
    """Whether what is called so may well be a secret."""
    return _SECRETIVE.search(name) is not None


class Check(msgspec.Struct, frozen=True):
    """What msgspec's own constraints cannot say: stands in a field's Annotated type beside them."""

    passes: Callable[[Any], bool]
    expected: str


def matches(pattern: str, expected: str) -> Check:
    """The check that a text as a whole is of `pattern`, said as `expected`."""
    return Check(lambda text: bool(re.fullmatch(pattern, text, re.ASCII)), expected)


def convert(node: Node, wanted: type[_T]) -> _T:
    """The node as an instance of `wanted`, a msgspec Struct type. Raises ConfigError with every problem found."""
    problems: list[Problem] = []
    value = build(node, wanted, problems)
    if problems:
        raise ConfigError(tuple(problems))
    return value  # type: ignore[no-any-return]


def build(node: Node, wanted: Any, problems: list[Problem], *, partial: bool = False) -> Any:
    """As `convert`, but appends to `problems` and then returns None. With `partial` the node may lack keys, and nothing is made of it.

    A Struct may have a method `problems()` that yields (field, message) for what its fields cannot tell one by one; it is asked
    when each of them is right. Another type may have a class method `from_node(node, problems)` and so take part.
    """
    core = _core(wanted)
    before = len(problems)
    if isinstance(core, UnionType) and len(others := [one for one in get_args(core) if one is not NoneType]) == 1:
        return None if node.value is None else build(node, others[0], problems, partial=partial)
    if hasattr(core, "from_node"):
        return core.from_node(node, problems)
    if isinstance(core, type) and issubclass(core, msgspec.Struct):
        return section(node, core, problems, partial)
    if core is Secret:
        if isinstance(node.value, Secret):
            return _checked(node, node.value, wanted, problems)
        hint = f"put it into a file of its own in {_etc()}/credentials, or name one with RAAB_..._FILE=<path> (see setting.yaml)"
        problems.append(_wrong(node, "is a secret, which a setting never holds in plain", MASK, hint=hint))
        return None
    if isinstance(node.value, Secret):
        problems.append(_wrong(node, "is no secret and does not come from a file", hint=f"set it in {_etc()}/setting.yaml"))
        return None
    if node.text and core is not str:
        try:
            node = _typed(node)
        except ConfigError as error:
            problems.extend(error.problems)
            return None
    origin, arguments = get_origin(core), get_args(core)
    if origin is tuple and isinstance(node.value, tuple):
        items = tuple(build(child, arguments[0], problems) for child in node.value)
        return None if len(problems) > before else items
    if origin is dict and isinstance(node.value, Mapping):
        for key, child in node.value.items():
            build(Node(key, child.where, child.path), arguments[0], problems)
        named = {key: build(child, arguments[1], problems) for key, child in node.value.items()}
        return None if len(problems) > before else named
    try:
        value = msgspec.convert(plain(node), type=wanted)
    except msgspec.ValidationError as error:
        message = f"expected one of {', '.join(map(str, arguments))}" if origin is Literal else _sentence(str(error))
        problems.append(_wrong(node, message, _shown(node)))
        return None
    return _checked(node, value, wanted, problems)


def _checked(node: Node, value: Any, wanted: Any, problems: list[Problem]) -> Any:
    failed = (check for check in get_args(wanted)[1:] if isinstance(check, Check) and not check.passes(value))
    problems.extend(_wrong(node, f"expected {check.expected}", _shown(node)) for check in failed)
    return value


def section(node: Node, wanted: type[msgspec.Struct], problems: list[Problem], partial: bool = False) -> Any:
    """As `build`, key by key, for who has a `from_node` of its own."""
    before = len(problems)
    if partial and node.value is None:
        return None
    if not isinstance(node.value, Mapping):
        problems.append(_wrong(node, "is a section and needs `key: value` lines", _shown(node)))
        return None
    values: dict[str, Any] = {}
    for key, child in node.value.items():
        if key not in wanted.__struct_fields__:
            problems.append(_unknown(child, key, wanted))
    before = len(problems)
    for field in _fields(wanted):
        if field.name in node.value:
            values[field.name] = build(node.value[field.name], field.type, problems, partial=partial)
        elif field.required and not partial:
            problems.append(_wrong(node, f"lacks the key {field.name!r}"))
    # A misspelt key is no reason to keep back what else is wrong, so only a field's own problem ends the matter here.
    if partial or len(problems) > before:
        return None
    made = wanted(**values)
    check: Callable[[], Iterable[tuple[str, str]]] | None = getattr(made, "problems", None)
    if check is not None:
        for name, message in check():
            problems.append(_wrong(node.value.get(name, node), message, repr(values.get(name))))
    return made


@functools.cache
def _fields(wanted: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Kept, because one type is looked at once for each file and environment, and annotations are slow to evaluate."""
    return msgspec.structs.fields(wanted)


def _paths_below(wanted: type[msgspec.Struct]) -> Iterator[str]:
    for name, hint in get_type_hints(wanted).items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from (f"{name}.{field}" for field in hint.__struct_fields__)


def _core(wanted: Any) -> Any:
    return get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted


def _typed(node: Node) -> Node:
    """An environment variable's text, read as YAML because something else than text is wanted."""
    parsed = parse_yaml(str(node.value), node.where, lines=False)
    return Node(parsed.value, node.where, node.path)


def _wrong(node: Node, message: str, got: str = "", hint: str = "") -> Problem:
    return Problem(node.where, f"{node.path}: {message}" if node.path else message, got, hint)


def _unknown(node: Node, key: str, wanted: type[msgspec.Struct]) -> Problem:
    near = difflib.get_close_matches(key, wanted.__struct_fields__, n=1)
    deeper = {path.rpartition(".")[2]: path for path in _paths_below(wanted)}
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif key in deeper:
        hint = f"did you mean {deeper[key]}?"
    else:
        hint = f"known here: {', '.join(sorted(wanted.__struct_fields__)) or 'nothing'}"
    # A value that somebody meant for a secret must not be shown because its key is misspelt.
    secret = secretive(key) or bool(near and _core(get_type_hints(wanted).get(near[0])) is Secret)
    return _wrong(node, "unknown key", MASK if secret else _shown(node), hint)


def _sentence(text: str) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.a`" without its Python words; the value itself is shown instead."""
    text = re.sub(r", got .*?(?= - at|$)", "", text).replace("`", "").replace(" - at $", " at ")
    return text[:1].lower() + text[1:]


def _shown(node: Node) -> str:
    value = plain(node)
    if isinstance(value, dict):
        return "a section"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
