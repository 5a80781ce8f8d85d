"""What poetry says of a dependency in pyproject.toml, as pip has it, but for its version, which the lock has (python-poetry.org, dependency
specification)."""

from __future__ import annotations

import re
from typing import Any

from raab import exitcodes
from raab.errors import RaabError

TERM = re.compile(r"(\^|~=?|[<>=!]=|[<>]|)\s*([0-9]+(?:\.[0-9]+){0,2})(\.\*)?")


def spelt(name: str, value: Any) -> str:
    """One dependency (PEP 508). Raises RaabError for a Python that cannot be read."""
    said = [one if isinstance(one, dict) else {} for one in (value if isinstance(value, list) else [value])]
    wanted = dict.fromkeys(extra for one in said for extra in one.get("extras", ()))
    extras = f"[{','.join(wanted)}]" if wanted else ""
    markers = list(dict.fromkeys(marker(name, one) for one in said))
    # Said several times, it is wanted wherever one of them says so.
    if "" in markers or not markers:
        return f"{name}{extras}"
    return f"{name}{extras} ; {' or '.join(f'({one})' for one in markers) if len(markers) > 1 else markers[0]}"


def optional(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("optional"))


def marker(name: str, said: dict[str, Any]) -> str:
    platform = f"sys_platform == '{said['platform']}'" if said.get("platform") else ""
    parts = (said.get("markers"), platform, pythons(name, str(said.get("python", "*"))))
    return " and ".join(f"({one})" for one in parts if one)


def pythons(name: str, said: str) -> str:
    """The Pythons that it is wanted for, `>=3.8,<3.11 || ^3.13`, as a marker; empty for all."""
    found = []
    for one in re.split(r"\|\|?", said):
        words = re.sub(r"([<>=!~^])\s+", r"\1", one).replace(",", " ").split()
        if words == ["*"]:
            return ""
        terms = [TERM.fullmatch(word) for word in words]
        if not words or not all(terms):
            problem = f"pyproject.toml: the Pythons of {name} cannot be read, got {said!r}"
            raise RaabError(problem, "write them as in python = '>=3.10,<3.13'", exitcodes.BAD_INPUT)
        found.append(" and ".join(of_term(*term.groups("")) for term in terms if term))
    return " or ".join(found)


def of_term(operator: str, version: str, wildcard: str) -> str:
    parts = [int(part) for part in version.split(".")]
    if wildcard or operator in ("^", "~", "~="):
        # ^3.8 ends before 4, ~3.8 before 3.9, ~3 before 4; ~=3.8 before 4, ~=3.8.1 before 3.9 (PEP 440); 3.8.* before 3.9.
        kept = {"^": 1, "~": min(len(parts), 2), "~=": max(len(parts) - 1, 1)}.get(operator, len(parts))
        end = ".".join(map(str, [*parts[: kept - 1], parts[kept - 1] + 1]))
        inside = f"{compared('>=', version)} and {compared('<', end)}"
        return f"({compared('<', version)} or {compared('>=', end)})" if operator == "!=" else inside
    return compared(operator or "==", version)


def compared(operator: str, version: str) -> str:
    """A whole version is compared with Python's whole one: 3.8 is also 3.8.1 (PEP 508, environment markers)."""
    version = version if "." in version else f"{version}.0"
    return f"{'python_version' if version.count('.') < 2 else 'python_full_version'} {operator} '{version}'"
