"""Reading a .env file, as python-dotenv, Docker and shells have it in common. Pure."""

from __future__ import annotations

import re

from raab import exitcodes
from raab.errors import RaabError

_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=[ \t]*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#[^\n]*)?(?:\n|\Z)', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_BARE = re.compile(r"([^\n]*)(?:\n|\Z)")
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def parse(text: str, where: str) -> dict[str, str]:
    """The variables of a file; of two of a name the last. Quoted values may have several lines. Raises RaabError for a line that is none,
    by its number alone: what it says may be a secret."""
    found: dict[str, str] = {}
    text = text.replace("\r\n", "\n")
    place = 0
    while place < len(text):
        if blank := _NOTHING.match(text, place):
            place = blank.end()
            continue
        line = _LINE.match(text, place)
        value = line and (_DOUBLE.match(text, line.end()) or _SINGLE.match(text, line.end()))
        if line and not value and text[line.end() : line.end() + 1] not in ("'", '"'):
            value = _BARE.match(text, line.end())
        if not line or not value:
            number = text.count("\n", 0, place) + 1
            raise RaabError(f"{where}:{number}: not a line NAME=value, or its quote has no end", "mend it there", exitcodes.BAD_INPUT)
        found[line["name"]] = plainly(value)
        place = value.end()
    return found


def plainly(value: re.Match[str]) -> str:
    if value.re is _DOUBLE:
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), value[1], flags=re.DOTALL)
    return value[1] if value.re is _SINGLE else re.split(r"\s+#", value[1])[0].strip()
