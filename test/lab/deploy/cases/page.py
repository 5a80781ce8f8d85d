"""The page of docs/ that the table is printed as: what is expected of each case, and the traffic of the run that found it so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .case import Case

PAGE = Path(__file__).resolve().parents[4] / "docs" / "cases.md"
HEAD = """\
# What a deploy says, case by case

Each line was played on a host of the lab that serves a release and is asked all the while: what is so, what is typed, how it ends, what is
said (a part of it), what the host serves afterwards, and how many of the requests sent meanwhile were lost. `before` is the release of
before; `new` the one that was deployed, complete and proved; `either` one of both. Made by `make cases` from test/lab/deploy/cases, which
expects of each what stands here; `make test` plays some of them, `make prove` all.
"""


class Sent(NamedTuple):
    """The requests of one case."""

    sent: int
    lost: int


def printed(cases: Sequence[Case], traffic: Mapping[str, Sent]) -> str:
    """The page as text; `traffic` by the case's family and name."""
    parts = [HEAD]
    for family in dict.fromkeys(case.family for case in cases):
        rows = [row(case, traffic.get(key(case), Sent(0, 0))) for case in cases if case.family == family]
        title = f"\n## {family[0].upper()}{family[1:]}\n\n"
        parts.append(
            title + "| what is so | typed | exit | says | serves then | requests lost |\n|---|---|---|---|---|---|\n" + "".join(rows)
        )
    requests, lost = sum(each.sent for each in traffic.values()), sum(each.lost for each in traffic.values())
    parts.append(f"\n{len(cases)} cases; {lost} of {requests} requests lost.\n")
    return "".join(parts)


def row(case: Case, traffic: Sent) -> str:
    line = case.line.replace(" --hosts {host}", "").replace("{host}", "web1")
    signalled = f", {case.at[1].name} at `{case.at[0]}`" if case.at else ""
    cells = (case.name, f"`{line}`{signalled}", str(case.code), f"`{case.text}`", case.serves, f"{traffic.lost} of {traffic.sent}")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def key(case: Case) -> str:
    return f"{case.family}: {case.name}".lower()


def traffic_of(page: str) -> dict[str, Sent]:
    """What the requests column says, by the case's family and name, as `key` has them."""
    found, family = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            family = line[3:].lower()
        elif numbers := re.match(r"\| (.*?) \| `.*\| (\d+) of (\d+) \|$", line):
            found[f"{family}: {numbers[1]}".lower()] = Sent(int(numbers[3]), int(numbers[2]))
    return found
