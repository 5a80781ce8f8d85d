"""What passes between who types and a command that runs elsewhere, a line of JSON each. Standard library only, and pure."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, NamedTuple

from raab import exitcodes
from raab.errors import RaabError
from raab.protocol.reading import read
from raab.protocol.values import Text, between

# Bytes in one line, before they are written as base64: less than is shown of any text of a host's (raab.deploy.hosts.scrubbing).
BLOCK = 12_288
Lines = Annotated[int, between(0, 10_000)]


class Size(NamedTuple):
    """Of a terminal, in letters."""

    rows: Lines = 24
    columns: Lines = 80


# What is typed; nothing at its end.
Input = bytes | Size


class _Typed(NamedTuple):
    input: Text


def encode(said: Input) -> bytes:
    """A line for the host."""
    told: dict[str, Any] = said._asdict() if isinstance(said, Size) else {"input": base64.b64encode(said).decode()}
    return json.dumps(told).encode() + b"\n"


def decode(line: bytes) -> Input:
    """What a line of a deployer's says. Raises RaabError, exit code 2, for what is none."""
    try:
        told = json.loads(line)
        if type(told) is dict and "rows" in told:
            size: Size = read(Size, told, "size")
            return size
        typed: _Typed = read(_Typed, told, "input")
        return base64.b64decode(typed.input, validate=True)
    except (ValueError, RecursionError) as error:
        raise RaabError(f"input: {error}", "", exitcodes.BAD_INPUT) from None
