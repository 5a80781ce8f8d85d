"""What a value that travels between a deployer and a host has to be. Standard library only, and pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from raab import servicename, variable
from raab.plain import plain

MANY = 1000
# Bytes: of a file that is sent, and of all that one release takes. A manifest is a text within a request.
LARGEST = 1 << 32
DAY = 86_400


class Must(NamedTuple):
    """What a value has to be, in words, and whether it is. A `hidden` one is shown to nobody."""

    words: str
    holds: Callable[[Any], bool]
    hidden: bool = False


def matching(words: str, pattern: str) -> Must:
    compiled = re.compile(rf"\A(?:{pattern})\Z", re.ASCII)
    return Must(words, lambda value: compiled.match(value) is not None)


def between(least: float, most: float) -> Must:
    return Must(f"from {least:g} to {most:g}", lambda value: math.isfinite(value) and least <= value <= most)


def path(value: str) -> bool:
    """Whether it leads to a file below the folder that it is put into, by names that are no surprise to anybody."""
    names = value.split("/")
    return len(value) < 1000 and all(NAME.match(name) and len(name) < 200 and not name.endswith((".part", ".new")) for name in names)


def absolute(value: str) -> bool:
    """Whether it is a path from the root on, by such names."""
    return value.startswith("/") and path(value[1:])


def command(value: str) -> bool:
    """Whether /bin/sh can be given it."""
    return 0 < len(value) <= 10_000 and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def secret(value: str) -> bool:
    return not variable.wrong_secret(value.encode(errors="surrogatepass"))


def argument(value: str) -> bool:
    """Whether a command can be given it as a word. What of it is no text is a byte each (os.fsencode)."""
    if "\0" in value or len(value) > 100_000:
        return False
    try:
        value.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


FEW = Must(f"at most {MANY} of them", lambda value: len(value) <= MANY)
NAME = re.compile(r"\A[A-Za-z0-9_+@-][A-Za-z0-9_.+@-]*\Z", re.ASCII)
ServiceName = Annotated[str, Must(servicename.WORDS, lambda value: not servicename.wrong(value))]
ReleaseId = Annotated[str, matching("a release id", r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}(-dirty)?")]
Sha256 = Annotated[str, matching("a SHA-256", "[0-9a-f]{64}")]
Commit = Annotated[str, matching("a commit", "[0-9a-f]{40}|[0-9a-f]{64}|[a-z]{0,20}")]
Token = Annotated[str, matching("a token", "[0-9a-f]{32}")]
FileName = Annotated[str, Must("a file name", lambda value: "/" not in value and path(value))]
ReleaseIdOrNone = Annotated[str, matching("a release id, or none", r"([0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}(-dirty)?)?")]
Argument = Annotated[str, Must("a word without NUL of at most 100,000 letters", argument)]
RelativePath = Annotated[str, Must("a path within a release", path)]
CodeFolder = Annotated[str, Must("a path within a release, or .", lambda value: value == "." or path(value))]
AbsolutePath = Annotated[str, Must("an absolute path of plain names", absolute)]
AbsolutePathOrNone = Annotated[str, Must("an absolute path of plain names, or none", lambda value: not value or absolute(value))]
Variable = Annotated[str, matching("NAME=value, of plain words", r"[A-Z][A-Z_]{0,60}=[\w.:()]{1,200}")]
SecretName = Annotated[str, Must("a variable's name, neither systemd's nor raab's own", lambda value: not variable.wrong(value))]
StoredName = Annotated[str, Must("the name of a secret", lambda value: not variable.wrong_stored(value))]
SecretText = Annotated[str, Must("what a secret can be", secret, hidden=True)]
Word = Annotated[str, Must("a line of at most 200 letters", lambda value: plain(value, 201) == value and len(value) <= 200)]
Size = Annotated[int, between(0, LARGEST)]
Seconds = Annotated[float, between(0.001, DAY)]
Text = Annotated[str, Must("a text of at most 4 MB", lambda value: len(value) <= 1 << 22)]
