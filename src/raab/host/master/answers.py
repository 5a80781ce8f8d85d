"""What the master may answer on its control socket (handover/outside/control.py), checked: a number is a number, a text fit for a screen.

Whoever has taken a worker over may have sent it. Standard library only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from raab.errors import RaabError
from raab.plain import plain

# Takes a value and where it stands; returns what to use of it. Raises ValueError.
Check = Callable[[Any, str], Any]

_MOST = 1 << 53
# The newest version of what masters say (handover/decision/request.py), and releases of their settings (raab.asked.settings): one root's
# program speaks to those of all services.
SPOKEN = 1
# The kernel's own limit on 64 bits (proc(5), pid_max).
_PIDS = 1 << 22
_MANY = 1000
_BIND = re.compile(r"unix:/[^\x00-\x1f]{1,107}|[^\x00-\x20/]{0,255}:[0-9]{1,5}")


def decode(packet: bytes, verb: str) -> dict[str, Any]:
    """An answer to a request of that verb: what it has to have, what it may have, and nothing else. Raises ValueError saying what is wrong,
    RaabError for a master that is newer than this.

    Any request may be answered with {"error": ...}, or with {"ask": "again"} by a master that is being followed by another.
    """
    try:
        told = json.loads(packet)
    except RecursionError:
        raise ValueError("an answer without end") from None
    if type(told) is not dict:
        raise wrong("the answer", told)
    if "error" in told:
        return {"error": text(told["error"], "error")}
    if told == {"ask": "again"}:
        return told
    _understood(told, "the master speaks version {} on its control socket")
    if verb == "hold":
        checked: dict[str, Any] = (_HELD if told.get("held") else _NOT_HELD if "held" in told else _VERDICT)(told, "")
    else:
        checked = _ANSWERS[verb](told, "")
    return checked


def _understood(told: dict[str, Any], how: str) -> None:
    """Raises RaabError for what is of a newer version."""
    if type(speaks := told.get("speaks", SPOKEN)) is int and speaks > SPOKEN:
        newer = f"{how.format(min(speaks, _MANY))}, and this raab version {SPOKEN}"
        raise RaabError(newer, "deploy a release of that service: it brings the raab that speaks so")


class Settings(NamedTuple):
    """What a release says of its settings: where it will listen, the admin listener's port or 0, how many seconds it may load; and in which
    folders it may not make the sockets that it is to listen at."""

    bind: tuple[str, ...]
    admin_port: int
    load_timeout: float
    barred: tuple[str, ...] = ()


def settings(document: str) -> Settings:
    """The answer to `raab settings`, from the last line that was printed. Raises ValueError saying what is wrong, RaabError for a release
    that is newer than this."""
    lines = document.splitlines()
    try:
        told = json.loads(lines[-1] if lines else "")
        if type(told) is dict:
            _understood(told, "the release speaks version {} of its settings")
        checked = _SETTINGS(told, "settings")
    except RecursionError:
        raise ValueError("a document without end") from None
    barred = tuple(checked.get("barred", ()))
    return Settings(tuple(checked["bind"]), checked["admin_port"], float(checked["load_timeout"]), barred)


def wrong(where: str, value: Any) -> ValueError:
    return ValueError(f"{where}: {plain(repr(value), 80)}")


def whole(least: int, most: int) -> Check:
    def check(value: Any, where: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise wrong(where, value)
        return value

    return check


def number(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or not -_MOST <= value <= _MOST:
        raise wrong(where, value)
    return float(value) if type(value) is float else int(value)


def limit(value: Any, where: str) -> float:
    """Seconds that somebody may be waited for: no more than a day."""
    if not 0 < number(value, where) <= 86400:
        raise wrong(where, value)
    return float(value)


def truth(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise wrong(where, value)
    return value


def word(value: Any, where: str) -> str:
    if type(value) is not str or plain(value) != value:
        raise wrong(where, value)
    return value


def text(value: Any, where: str) -> str:
    """Of several lines, made fit for a terminal."""
    if type(value) is not str:
        raise wrong(where, value)
    return "\n".join(plain(line, 2000) for line in value[:20_000].split("\n")[:100])


def bind(value: Any, where: str) -> str:
    if type(value) is not str or not _BIND.fullmatch(value):
        raise wrong(where, value)
    return value


def binds(value: Any, where: str) -> list[str]:
    """Addresses; an older master tells its first one alone."""
    return [bind(value, where)] if type(value) is str else list(each(bind)(value, where))


def maybe(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def each(check: Check, *, exactly: int | None = None) -> Check:
    def elements(value: Any, where: str) -> list[Any]:
        if type(value) is not list or len(value) > _MANY or exactly not in (None, len(value)):
            raise wrong(where, value)
        return [check(element, f"{where}.{index}") for index, element in enumerate(value)]

    return elements


def record(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}

    def members(value: Any, where: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise wrong(where, value)
        missing = required.keys() - value.keys()
        if missing:
            raise wrong(f"{where}.{min(missing)}".lstrip("."), None)
        return {key: check(value[key], f"{where}.{key}".lstrip(".")) for key, check in known.items() if key in value}

    return members


_PID, _COUNT = whole(1, _PIDS), whole(0, _MOST)
_VERDICT = record({"good": truth, "reason": text, "generation": _COUNT, "seconds": number, "at": number, "replaced": truth})
_HELD = record({"held": truth, "bind": binds, "load_timeout": limit})
_NOT_HELD = record({"held": truth, "reason": text})
_WORKER = record(
    {"pid": _PID, "generation": _COUNT, "phase": word, "age": number, "requests": _COUNT, "connections": _COUNT, "active": _COUNT},
    {"answered": maybe(_COUNT), "failed": maybe(_COUNT)},
)
_TEMPLATE = record({"pid": _PID, "generation": _COUNT, "ready": truth})
_REQUIRED: dict[str, Check] = {
    "pid": _PID, "release": word, "bind": binds, "generation": _COUNT, "incoming": maybe(_COUNT), "target": _COUNT, "configured": _COUNT,
    "bounds": each(_COUNT, exactly=2), "one_by_one": truth, "started": number, "reload": maybe(_VERDICT), "workers": each(_WORKER),
}  # fmt: skip
_OPTIONAL: dict[str, Check] = {
    "load": record({"mode": word, "why": text}), "templates": each(_TEMPLATE), "busy": truth, "died": _COUNT, "speaks": whole(1, 1000),
}  # fmt: skip
_STATUS = record(_REQUIRED, _OPTIONAL)
_SETTINGS = record({"bind": each(bind), "admin_port": whole(0, 65535), "load_timeout": limit}, {"barred": each(word)})
_ANSWERS = {
    "status": _STATUS,
    "scale": record({"before": _COUNT, "after": _COUNT}),
    "reload": _VERDICT,
    "switched": _VERDICT,
}
