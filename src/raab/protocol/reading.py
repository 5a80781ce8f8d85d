"""What was decoded from JSON as a value of a type: the other side may have written anything. Standard library only, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from raab.plain import plain

# Of a list, and of an object's members.
MOST = 100_000


def plainly(value: Any) -> Any:
    """The same as JSON has it; what `read` makes a value of again."""
    if hasattr(value, "_fields"):
        return {name: plainly(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: plainly(one) for name, one in value.items()}
    return [plainly(one) for one in value] if isinstance(value, (tuple, list, frozenset)) else value


def known(told: Any, kind: type[Any]) -> Any:
    """Without the fields that this version knows nothing of: a manifest may say more to another one."""
    return {key: value for key, value in told.items() if key in kind._fields} if type(told) is dict else told


def read(kind: Any, value: Any, where: str) -> Any:
    """The value as one of that kind. Raises ValueError that says where it is not."""
    if get_origin(kind) is Annotated:
        plainly, *musts = get_args(kind)
        found = read(plainly, value, where)
        for must in musts:
            if not must.holds(found):
                raise ValueError(f"{where}: not {must.words}" + ("" if must.hidden else f", got {shown(value)}"))
        return found
    if get_origin(kind) in (UnionType, Union):
        (wanted,) = (one for one in get_args(kind) if one is not type(None))
        return None if value is None else read(wanted, value, where)
    if get_origin(kind) in (tuple, frozenset):
        if type(value) is not list or len(value) > MOST:
            raise ValueError(f"{where}: not a list of at most {MOST}, got {shown(value)}")
        return get_origin(kind)(read(get_args(kind)[0], one, f"{where}.{index}") for index, one in enumerate(value))
    if get_origin(kind) is Mapping:
        if type(value) is not dict or len(value) > MOST:
            raise ValueError(f"{where}: not an object of at most {MOST}, got {shown(value)}")
        key, content = get_args(kind)
        return {read(key, name, where): read(content, one, f"{where}.{plain(name, 80)}") for name, one in value.items()}
    if hasattr(kind, "_fields"):
        return members(kind, value, where)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{where}: not {NAMES[kind]}, got {shown(value)}")
    return value


NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def members(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not dict:
        raise ValueError(f"{where}: not an object, got {shown(value)}")
    if strange := value.keys() - set(kind._fields):
        raise ValueError(f"{where}: unknown, got {shown(min(strange))}")
    if missing := [name for name in kind._fields if name not in value and name not in kind._field_defaults]:
        raise ValueError(f"{where}.{missing[0]}: missing")
    return kind(**{name: read(hint, value[name], f"{where}.{name}") for name, hint in hints(kind).items() if name in value})


@cache
def hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def shown(value: Any) -> str:
    return plain(repr(value), 80)
