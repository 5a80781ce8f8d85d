"""A page as its reader sees it: headings, links, and what it says to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^ {0,3}```")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


@dataclass(frozen=True)
class Block:
    """What stands in a page as it is to be typed, fenced or indented; `mark` is the comment right above it, `<!-- mark -->`."""

    mark: str
    lines: tuple[str, ...]


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def parts(text: str) -> Iterator[str | Block]:
    """The page's lines, and its blocks in the place of theirs."""
    block: list[str] = []
    fenced, mark, before = False, "", ""
    for line in [*text.splitlines(), ""]:
        indented = line.startswith("    ") and not fenced and (block or not before.strip())
        if _FENCE.match(line):
            if fenced:
                yield Block(mark, tuple(block))
                block, mark = [], ""
            fenced = not fenced
        elif fenced:
            block.append(line)
        elif indented and not before.startswith(("-", "1.", "2.", "3.")):
            block.append(line[4:])
        else:
            if block:
                yield Block("", tuple(block))
                block = []
            found = re.fullmatch(r"<!-- (.+) -->", line)
            mark = found[1] if found else mark if not line.strip() else ""
            yield line
        before = line
    if fenced:
        raise ValueError("a fence that nothing ends")


def blocks(text: str) -> list[Block]:
    return [part for part in parts(text) if isinstance(part, Block)]


def prose(text: str) -> str:
    return "\n".join(part for part in parts(text) if isinstance(part, str))


def headings(text: str) -> list[tuple[int, str]]:
    """Each with its level."""
    found = (re.match(r"(#+) (.+)", line) for line in prose(text).splitlines())
    return [(len(one[1]), one[2]) for one in found if one]


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading's text."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def links(text: str) -> list[str]:
    """Those that lead within the project; what is in backticks is none."""
    found: list[str] = _LINK.findall(_SPAN.sub("", prose(text)))
    return [link for link in found if "://" not in link]


def typed(text: str) -> Iterator[tuple[list[str], bool]]:
    """Every command of `fab`, `raab` and `make` that the page has, as words, and whether it is whole: it is in a block, and may not be in
    backticks."""
    for part in parts(text):
        if isinstance(part, Block):
            for line in part.lines:
                yield from ((words, True) for words in commands(line))
    for span in _SPAN.findall(prose(text)):
        if re.match(r"(fab|raab|make) ", span):
            yield from ((words, False) for words in commands(span.replace("\n", " ")))


def commands(line: str) -> Iterator[list[str]]:
    """`fab a && raab b  # why` are two. What stands for something (`...`), and brackets around what may be left out, are taken away."""
    line = re.sub(r"\s#\s.*|'[^']*'|\"[^\"]*\"|\\\|", " X", re.sub(r"\s#\s.*", "", line))
    for command in re.split(r"&&|\|\||[|;<>()]|, (?=fab |raab |make )|^\s*- run: |\$ ", line):
        words = [word.strip("[],") for word in command.split() if word.strip("[],.")]
        while words and re.match(r"[A-Z_]+=|@?\.venv/bin/fab$|eval$|time$", words[0]):
            words = ["fab", *words[1:]] if words[0].endswith("fab") else words[1:]
        if len(words) > 1 and words[0] in ("fab", "raab", "make"):
            yield words
