"""Pages lead where they say, and what they say to type can be typed."""

from __future__ import annotations

import functools
import re

import pytest
from fabric.main import program
from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser
from invoke.tasks import Task
from test.docs import reading

from raab.deploy import options, verbs
from raab.deploy.membership.tasks import namespace as host
from raab.deploy.secrets.tasks import namespace as secrets
from raab.host.command import cli
from raab.init import command as init
from raab.lab.tasks import namespace as lab

ROOT = reading.ROOT
PAGES = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in reading.pages()}
# The cases' words are played as they stand, wrong ones among them; the changelog tells of verbs that are no more.
NOT_TYPED = ("docs/cases.md", "changelog.md")
ROOMS = {str(room.name): room for room in (host, lab, secrets)}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page: str) -> None:
    astray = []
    for link in reading.links(PAGES[page]):
        file, _, place = link.partition("#")
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        there = (
            {reading.anchor(heading) for _, heading in reading.headings(target.read_text(encoding="utf-8"))}
            if place and target.is_file()
            else set()
        )
        if not target.exists() or (place and place not in there):
            astray.append(link)
    assert not astray


def test_the_readme_names_every_page() -> None:
    named = {link.partition("#")[0] for link in reading.links(PAGES["readme.md"])}
    assert sorted(page for page in PAGES if page.startswith("docs/") and page not in named) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in NOT_TYPED])
def test_every_command_of_a_page_exists_with_its_options(page: str) -> None:
    wrong = [f"{' '.join(words)}: {why}" for words, whole in reading.typed(PAGES[page]) if (why := fault(words, whole))]
    assert not wrong


def test_commands_are_found_and_wrong_ones_told() -> None:
    """What looks for nothing finds no fault."""
    assert sum(1 for page in PAGES.values() for _ in reading.typed(page)) > 250
    for line in (
        "fab deply",
        "fab deploy --dry",
        "fab secrets put X",
        "raab statu",
        "raab status --jsn",
        "raab init --apple x",
        "make tests",
    ):
        (words,) = reading.commands(line)
        assert fault(words, whole=True), line


def fault(words: list[str], whole: bool) -> str:
    return {"fab": of_fab, "raab": of_raab, "make": of_make}[words[0]](words[1:], whole)


@functools.cache
def of_all_verbs() -> Parser:
    """What reads the command line of fab, with each verb and its options."""
    tasks = [one for one in vars(verbs).values() if isinstance(one, Task)]
    core = ParserContext(args=[*program.core_args(), *program.task_args()])
    return Parser(contexts=Collection(*tasks, *ROOMS.values()).to_contexts(), initial=core)


def of_fab(words: list[str], whole: bool) -> str:
    if "--" in words:
        rest = words[words.index("--") + 1 :] if words[0] == "scale" else []
        words = words[: words.index("--")] + rest
    if not whole and words[0] in ROOMS and len(words) == 1:
        return ""
    words = options.named(options.joined(words, {name: set(room.task_names) for name, room in ROOMS.items()}))
    try:
        options.refuse(of_all_verbs().parse_argv(words)[0].args)
    except (ParseError, Exit) as error:
        return "" if not whole and "required positional" in str(error) else str(error)
    return ""


def of_raab(words: list[str], whole: bool) -> str:
    if not whole and not cli.verb(words):
        return ""
    try:
        init.parser().parse_args(words[1:]) if words[0] == "init" else cli.understood(words)
    except SystemExit as error:
        return "argparse refuses it" if error.code and (whole or of_raab([*words, "X"], True)) else ""
    return ""


def of_make(words: list[str], whole: bool) -> str:
    words = words[2:] if words[0] == "-C" else words
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return "" if words[0] in targets else "no such target"
