"""The Chinese pages say what the English ones say: the same headings in the same order, and the same to type. Whoever changes the one
changes the other."""

from __future__ import annotations

import re

import pytest
from test.docs import reading

PAIRS = (("docs/deploying.md", "docs/部署说明.md"), ("readme.md", "docs/读我.md"))
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def text(page: str) -> str:
    found: str = (reading.ROOT / page).read_text(encoding="utf-8")
    return found


def bare(block: reading.Block) -> list[str]:
    """Without its comments, which are in the page's language, and without the spaces before them."""
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in block.lines) if line]


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_headings_are_of_the_same_levels(english: str, chinese: str) -> None:
    levels = [[level for level, _ in reading.headings(text(page))] for page in (english, chinese)]
    assert levels[0] == levels[1], [heading for _, heading in reading.headings(text(chinese))]


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_what_is_to_be_typed_is_the_same(english: str, chinese: str) -> None:
    ours, theirs = ([bare(block) for block in reading.blocks(text(page))] for page in (english, chinese))
    assert ours == theirs


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_links_and_words_in_backticks_are_the_same(english: str, chinese: str) -> None:
    """A fact that has been forgotten is mostly one of these."""
    spans = [sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"\n(?! )", " ", reading.prose(text(page)))))) for page in (english, chinese)]
    assert [one for one in spans[0] if one not in spans[1]] == [] and [one for one in spans[1] if one not in spans[0]] == []
    targets = [{link.split("/")[-1] for link in reading.links(text(page))} for page in (english, chinese)]
    # Each names the other.
    assert targets[0] - targets[1] <= {chinese.split("/")[-1]} and targets[1] - targets[0] <= {english.split("/")[-1]}


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_the_one_is_chinese_and_the_other_is_not(english: str, chinese: str) -> None:
    ours, theirs = ([heading for _, heading in reading.headings(text(page))] for page in (english, chinese))
    assert not any(map(_CHINESE.search, ours))
    assert [one for one in theirs if not _CHINESE.search(one) and one not in ours] == []
    assert sum(1 for one in theirs if one in ours) <= 1
