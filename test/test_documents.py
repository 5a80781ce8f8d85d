"""Nothing points to a document, a section or a tracker that a reader of this repository does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (".github", "bench", "deploy", "docs", "src", "systemd", "test")
KINDS = {".py", ".md", ".yaml", ".yml", ".conf", ".service", ".socket", ".toml", ".in", ""}
# Documents that tests make.
MADE = {"docs/all.md", "all.md", "docs/spec.md"}
# A numbered part of something that is only named.
ELSEWHERE = re.compile(r"\b((?!HTML)[A-Z]{4,}),? section [0-9]+|\(((?!HTML|YAML)[A-Z]{4,}) [0-9]+\)|\b([Ii]ssue [0-9]+)")


def texts() -> Iterator[tuple[str, str]]:
    """Each file that somebody reads, by its name."""
    for path in sorted((*ROOT.iterdir(), *(path for name in FOLDERS for path in (ROOT / name).rglob("*")))):
        if path.is_file() and path.suffix in KINDS and not path.name.startswith(".git") and path != Path(__file__):
            yield path.relative_to(ROOT).as_posix(), path.read_text(errors="replace")


TEXTS = dict(texts())


def found(pattern: str | re.Pattern[str], *, within: str = "") -> Iterator[tuple[str, str]]:
    """Of each place that matches: the file with its line, and the first group that has something."""
    for name, text in TEXTS.items():
        if name.startswith(within):
            for match in re.finditer(pattern, text):
                yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}", next((one for one in match.groups() if one), match[0])


def headings(text: str) -> set[str]:
    return {line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")}


def anchor(heading: str) -> str:
    """As forges make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_each_document_that_is_named_is_there() -> None:
    """By its path from the root, from docs or from where it is named."""
    named = [(place, name) for place, name in found(r"(?<![\w./-])((?:docs/)?[\w-]+\.md)\b(?!\.)") if name not in MADE]
    assert len(named) > 40
    lost = [
        f"{place}: {name}"
        for place, name in named
        if not any((folder / name).is_file() for folder in (ROOT, ROOT / "docs", (ROOT / place.partition(":")[0]).parent))
    ]
    assert not lost


def test_each_link_leads_somewhere() -> None:
    """To a file of this repository, and to a heading of it where it names one; what is elsewhere is nobody's to keep."""
    pages = [(place, link) for place, link in found(r"\]\(([^)\s]+)\)") if place.partition(":")[0].endswith(".md")]
    assert len(pages) > 10
    lost = []
    for place, link in pages:
        if "://" in link:
            continue
        name, _, part = link.partition("#")
        page = ROOT / place.partition(":")[0]
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (part and part not in map(anchor, headings(there.read_text()))):
            lost.append(f"{place}: {link}")
    assert not lost


def test_each_section_of_the_readme_that_is_named_is_there() -> None:
    """People are told to read it at night."""
    named = [*found(r"readme, (?:section )?([A-Z][a-z]+(?: [a-z]+)*)")]
    assert named
    assert not [f"{place}: {name}" for place, name in named if not any(one.startswith(name) for one in headings(TEXTS["readme.md"]))]


@pytest.mark.parametrize("name", ["readme.md", "contributing.md", "SECURITY.md", "RELEASING.md", "changelog.md", "LICENSE"])
def test_a_stranger_finds(name: str) -> None:
    assert TEXTS[name].strip()


def test_no_part_of_a_document_is_named_that_is_not_here() -> None:
    """A number of a section, or of an issue, of something that its reader cannot open."""
    assert not [f"{place}: {name}" for place, name in found(ELSEWHERE)]
