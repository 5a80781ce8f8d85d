"""What a setting takes, in words, by the type that it is checked with."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from raab.deploy.plan.schema import Hosts, Wave
from raab.settings.commands import Migrate
from raab.settings.given import Env
from raab.settings.schema import Binds, Sections
from raab.settings.served import Middleware, Mount
from raab.settings.validation import Check

PLAIN = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}
# Each reads what it is made of by itself.
OWN = {
    Binds: "address:port or unix:/path, or a list of up to six",
    Mount: "a WSGI application like legacy.wsgi:application, a URL, or a list of URLs",
    Middleware: "a WSGI middleware like shop.middleware:Tenant, alone or with its settings below it",
    Migrate: "a command, or a section",
    Env: "a section of variables",
    Sections: "a section for each module",
    Hosts: "the word lab, or a section for each host",
    Wave: "a number of hosts or a share like 25%",
}


def words(wanted: Any) -> str:
    """Raises KeyError for a kind that has no words yet."""
    core, notes = (get_args(wanted)[0], get_args(wanted)[1:]) if get_origin(wanted) is Annotated else (wanted, ())
    if isinstance(core, UnionType) or get_origin(core) is Union:
        core = next(one for one in get_args(core) if one is not NoneType)
        return words(core)
    check = next((note.expected for note in notes if isinstance(note, Check)), "")
    origin, inner = get_origin(core), get_args(core)
    if origin is Literal:
        return " or ".join(f"`{one}`" if one else "nothing" for one in inner)
    if origin is tuple:
        return f"a list; each: {words(inner[0])}"
    if origin is dict:
        return f"a section; each key: {words(inner[0])}" + ("" if _is_section(inner[1]) else f"; its value: {words(inner[1])}")
    if core in OWN and not check:
        return OWN[core]
    if _is_section(core):
        return "a section"
    return check or PLAIN[core] + _bounds(notes)


def _is_section(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)


def _bounds(notes: tuple[Any, ...]) -> str:
    for note in notes:
        if isinstance(note, Meta):
            least = f"at least {note.ge}" if note.ge is not None else f"above {note.gt}" if note.gt is not None else ""
            most = f"at most {note.le}" if note.le is not None else ""
            return "".join(f", {bound}" for bound in (least, most) if bound)
    return ""


def default(value: Any) -> str:
    """As YAML has it."""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, msgspec.Struct):
        return "{" + ", ".join(f"{name}: {default(getattr(value, name))}" for name in value.__struct_fields__) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {default(one)}" for name, one in value.items()) + "}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(default, value))}]"
    return "" if value is None else str(value)
