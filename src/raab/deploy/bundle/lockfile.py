"""The lock: every dependency at one version with its hashes. What pip would honour in it is honoured here, or refused by its line."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from raab import exitcodes
from raab.errors import RaabError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# By pip's names; each leads pip to an index or a folder, and hosts have neither.
PLACES = {"-i": "--index-url", "-f": "--find-links"}
PLACES |= {name: name for name in ("--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--no-index")}
# These change nothing for a file in which everything is pinned and hashed.
IDLE = ("--require-hashes", "--pre", "--prefer-binary")
COMMENT = re.compile(r"(^|\s+)#.*$")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
HASH = re.compile(r"\s--hash[= ](\S+)")
UNVOUCHED = "an address whose content no hash can vouch for"
# What it has to be instead.
VOUCHED = "have it from an index, or as a wheel at an address: name @ https://..."
GOOD_HASH = re.compile(r"\A(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})\Z")


class Locked(Struct, frozen=True):
    """One dependency: `name` and `version` (empty for one at a `url`), when it applies (`marker`, PEP 508), and its hashes."""

    name: str
    version: str
    url: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        """What pip is asked for: without the marker, which pip would evaluate for the machine it runs on."""
        what = f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"
        return " ".join((what, *(f"--hash={value}" for value in self.hashes)))

    def applies(self, markers: Mapping[str, str]) -> bool:
        from packaging.markers import Marker

        return not self.marker or Marker(self.marker).evaluate(dict(markers))


class Lock(Struct, frozen=True):
    """`options` are lines for pip that say where it looks; they may hold credentials. `wheels_only` are the projects that are not to be
    built from source, `:all:` for every one."""

    file: str
    locked: tuple[Locked, ...]
    options: tuple[str, ...] = ()
    wheels_only: frozenset[str] = frozenset()


def read(path: Path) -> Lock:
    """Read a lock. Raises RaabError with the line that cannot be honoured."""
    locked, options = [], []
    wheels_only: set[str] = set()
    for number, line in logical(text_of(path)):
        where = f"{path.name}:{number}"
        if not line.startswith("-"):
            locked.append(entry(where, line))
            continue
        name, _, value = line.replace("=", " ", 1).partition(" ")
        value = value.strip()
        if name in PLACES:
            options.append(f"{PLACES[name]} {absolute(where, PLACES[name], value, path.parent)}".strip())
        elif name == "--only-binary":
            wheels_only.update(canonical(one) for one in value.split(","))
        elif name not in IDLE:
            hint = "make the lock anew as one file with every dependency pinned and hashed, such as uv pip compile --generate-hashes does"
            raise RaabError(f"{where}: an option that a lock may not have, got {masked(line)[:80]}", hint, exitcodes.BAD_INPUT)
    return Lock(path.name, tuple(locked), tuple(options), frozenset(wheels_only))


def for_hosts(text: str) -> str:
    """The lock as a host gets it: without the places that pip looks in, and without what opens them."""
    kept, place = [], False
    for line in text.removeprefix("\ufeff").splitlines(keepends=True):
        place = place or names_a_place(line)
        kept += [] if place else [line]
        # One that goes on is one line for pip.
        place = place and line.rstrip("\r\n").endswith("\\")
    return CREDENTIALS.sub("", "".join(kept))


def names_a_place(line: str) -> bool:
    return re.split(r"[\s=]", line.lstrip(), maxsplit=1)[0] in PLACES


def masked(text: str) -> str:
    """A text without the credentials of the addresses in it."""
    return CREDENTIALS.sub("****@", text)


def text_of(path: Path) -> str:
    """The text of a lock, with or without a byte order mark, as pip reads it."""
    content = path.read_bytes()
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if content.startswith(mark):
            return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RaabError(
            f"{path.name}: not a text, got byte {content[error.start]:#x}", "make the lock anew", exitcodes.BAD_INPUT
        ) from error


def logical(text: str) -> Iterator[tuple[int, str]]:
    """The lines as pip joins them, each with the number of its first one; comments and empty ones are left out, variables filled in."""
    begun, parts = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = COMMENT.sub("", raw)
        if not parts:
            begun = number
        if line.endswith("\\"):
            parts += line[:-1] + " "
            continue
        whole, parts = (parts + line).strip(), ""
        if whole:
            yield begun, VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), whole)
    if parts.strip():
        yield begun, parts.strip()


def entry(where: str, line: str) -> Locked:
    from packaging.requirements import InvalidRequirement, Requirement

    hashes = HASH.findall(line)
    words = HASH.sub("", line).strip()
    try:
        requirement = Requirement(words)
    except InvalidRequirement as error:
        hint = "make the lock anew; a file or folder of your own has to be a wheel at an address: name @ https://..."
        raise RaabError(f"{where}: not a requirement, got {masked(words)[:80]}", hint, exitcodes.BAD_INPUT) from error
    url, _, fragment = (requirement.url or "").partition("#")
    hashes += [value.replace("=", ":", 1) for value in fragment.split("&") if value.startswith("sha")]
    problem = trouble(requirement, url, hashes)
    if problem:
        hint = VOUCHED if problem == UNVOUCHED else "make the lock anew with hashes, such as uv pip compile --generate-hashes does"
        raise RaabError(f"{where}: {problem}, got {masked(words)[:80]}", hint, exitcodes.BAD_INPUT)
    version = "" if url else next(iter(requirement.specifier)).version
    return Locked(canonical(requirement.name), version, url, str(requirement.marker or ""), tuple(dict.fromkeys(hashes)))


def trouble(requirement: Requirement, url: str, hashes: list[str]) -> str:
    """Why a requirement does not say exactly what is to be installed; empty when it does."""
    if url and not re.match(r"(https?|file)://", url):
        return UNVOUCHED
    pins = [each for each in requirement.specifier if each.operator in ("==", "===") and not each.version.endswith(".*")]
    if not url and (len(pins) != 1 or len(requirement.specifier) != 1):
        return "not pinned to one version with =="
    if not hashes:
        return "no --hash"
    return "" if all(map(GOOD_HASH.match, hashes)) else "a hash that is none of SHA-256 or longer"


def absolute(where: str, option: str, value: str, home: Path) -> str:
    """A folder is meant from where the lock lies (pip's documentation, requirements file format)."""
    if option != "--find-links" or "://" in value:
        return value
    if not (home / value).exists():
        raise RaabError(f"{where}: --find-links names what is not there, got {value}", "make the lock anew", exitcodes.BAD_INPUT)
    return str(home / value)


def canonical(name: str) -> str:
    """A project's name as indexes compare it (packaging.python.org, name normalization)."""
    return name.strip() if name.strip() == ":all:" else re.sub(r"[-_.]+", "-", name.strip()).lower()
