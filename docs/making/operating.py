"""Prints src/raab/host/command/operating.py: docs/operating.md as plain text, by headings, for who is on a host and has no checkout."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

WIDTH = 110
HEAD = '''\
"""What `raab help` says: docs/operating.md as plain text, by its headings. `make pages` writes it, about a service `shop`."""

SECTIONS = {'''


def sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each heading with its lines, without those that have none."""
    title, lines = "", list[str]()
    for line in [*text.splitlines(), "## "]:
        if re.match("##+ ", line):
            if title and any(lines):
                yield title, lines
            title, lines = line.lstrip("# "), []
        else:
            lines.append(line)


def plain(lines: list[str]) -> Iterator[str]:
    """Paragraphs are wrapped, a table's row is its first cell with the others below it, and what is to be typed stays as it is."""
    paragraph: list[str] = []
    fenced = False
    for line in [*lines, ""]:
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield f"    {line.removeprefix('    ')}".rstrip()
        elif line.startswith("<!--") or re.match(r"\|[-|]+$", line):
            continue
        elif line.startswith("|"):
            first, *others = (words(cell.strip()) for cell in line.strip("|").split(" | "))
            yield f"  {first.replace('`', '')}"
            yield from (row for other in others for row in wrapped(other, "      "))
        elif line:
            paragraph.append(line)
        else:
            if paragraph:
                yield from wrapped(words(" ".join(paragraph)), "  ")
                paragraph = []
            yield ""


def words(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)


def wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def module(page: Path) -> str:
    """Raises ValueError for what a text within a module cannot hold."""
    parts = [HEAD]
    for title, lines in sections(page.read_text(encoding="utf-8")):
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(plain(lines))).strip("\n")
        if "\\" in text or '"""' in text:
            raise ValueError(f"{page.name}, {title}: a backslash, or three quotes")
        parts += [f'    "{title}": """', text, '""",']
    return "\n".join([*parts, "}", ""])
