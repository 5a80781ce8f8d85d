"""The corpus as values. Its files (corpus/*.txt) are written as they are read:

== name of the case
POST /echo HTTP/1.1\\r\\n          a line is what is sent, with the escapes of Python's bytes; ends of lines in the file do not count
A: {b*20000}\\r\\n                 something that is sent many times
<end>                            the client has sent all and closes its half of the connection
-> 200 length=5                  an answer: its status, or several of which any will do, and what its body has to contain
-> maybe 100                     one that may be left out
-> 200 bodiless                  one whose head speaks of a body that does not follow (HEAD)
-> open                          what becomes of the connection: open, closed, or either
proxied -> maybe 400             what is to be expected through a proxy instead; raw: the proxy answers without a head, in HTTP/0.9
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_REPEATED = re.compile(r"\{([^{}]*)\*(\d+)\}")


@dataclass(frozen=True)
class Expected:
    """One answer: any of `statuses`, a body that contains `text`."""

    statuses: frozenset[int]
    bodiless: bool = False
    optional: bool = False
    text: bytes = b""


@dataclass(frozen=True)
class Case:
    """What a client sends, and what it has to get. `goes_on`: whether the connection does; None where both will do."""

    name: str
    sent: bytes
    ends: bool
    answers: tuple[Expected, ...]
    goes_on: bool | None
    proxied: tuple[Expected, ...] | None
    raw: bool


def corpus() -> list[Case]:
    """Every case, by file and in the order of the file."""
    return [case for path in sorted(Path(__file__).parent.glob("corpus/*.txt")) for case in read(path.read_text(), path.stem)]


def read(text: str, room: str) -> Iterator[Case]:
    """The cases of one file."""
    for block in text.split("\n== ")[1:]:
        name, *lines = block.rstrip("\n").split("\n")
        told = [line.removeprefix("-> ") for line in lines if line.startswith("-> ")]
        proxied = [line.removeprefix("proxied -> ") for line in lines if line.startswith("proxied -> ")]
        sent = [line for line in lines if not line.startswith(("-> ", "proxied -> ", "#")) and line != "<end>"]
        yield Case(
            name=f"{room}: {name}",
            sent=unescaped("".join(sent)),
            ends="<end>" in lines,
            answers=tuple(map(expected, told[:-1])),
            goes_on={"open": True, "closed": False, "either": None}[told[-1]],
            proxied=tuple(map(expected, proxied)) if proxied and proxied != ["raw"] else None,
            raw=proxied == ["raw"],
        )


def expected(line: str) -> Expected:
    words = line.split()
    optional = words[0] == "maybe"
    statuses, *rest = words[1:] if optional else words
    text = " ".join(word for word in rest if word != "bodiless")
    return Expected(frozenset(map(int, statuses.split("|"))), "bodiless" in rest, optional, text.encode())


def unescaped(text: str) -> bytes:
    """What the lines of a case stand for."""
    while match := _REPEATED.search(text):
        text = text[: match.start()] + match[1] * int(match[2]) + text[match.end() :]
    sent = ast.literal_eval(f'b"""{text}"""')
    assert isinstance(sent, bytes)
    return sent
