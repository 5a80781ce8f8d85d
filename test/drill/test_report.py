"""The report: one file, readable without anything else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from raab.drill.plot import columns, phases, plot, width_of
from raab.drill.report import page
from raab.drill.results import Machine, Result, Run, result
from raab.drill.traffic.account import Account, Mark
from raab.drill.traffic.values import Client, Kind, Sample
from raab.drill.verdict import Evidence, Fact, Invariant, judge

OPEN = {"meta", "link", "br", "img", "hr", "input"}


def drill(name: str, lost: int = 0, seconds: int = 10) -> Result:
    """A drill of 100 requests a second with an operation in its middle; its first `lost` requests were refused."""
    samples = tuple(
        Sample(
            Client.FRESH,
            Kind.REFUSED if number < lost else Kind.OK,
            "h:1",
            50 + number / 100,
            0.002 + number % 7 / 1000,
            0.0,
            0.0,
            "r",
            "x",
        )
        for number in range(seconds * 100)
    )
    account = Account(samples, (Mark(54.0, "reload h-1 begin"), Mark(56.5, "reload h-1 end")))
    facts = (Fact("release", "<new>", "<new>"),)
    return result(name, "nobody <notices>", judge(Invariant(), Evidence(account, facts)), account, facts, 2, 50.0, float(seconds))


def run(*results: Result) -> Run:
    machine = Machine("Linux 6", "a processor & more", 2, 4000, "3.11", (("raab", "0.1.0"),))
    return Run("lab", 2, 100.0, 1_800_000_000.0, 30.0, machine, results)


class Balance(HTMLParser):
    """Insists that every element is closed where it has to be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    """No script, no picture or style of elsewhere, every element closed, and what comes from a run is text and never markup."""
    text = page(run(drill("reload"), drill("restart", lost=3)))
    reader = Balance()
    reader.feed(text)
    assert not reader.open
    assert not reader.seen & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert "nobody &lt;notices&gt;" in text
    assert "<notices>" not in text


def test_beside_a_zero_stands_what_it_shows_and_a_loss_stands_out() -> None:
    text = page(run(drill("reload"), drill("restart", lost=3)))
    assert "0 of 1,000 lost (rate below 3/N = 3.0e-03)" in text
    assert "3 of 1,000 requests lost: 3 fresh refused (x, before" in text
    assert "promises were broken" in text
    assert "every promise was kept" in page(run(drill("reload")))
    assert "a processor &amp; more" in text


def test_the_plot_is_one_svg_with_the_operation_marked() -> None:
    shown = drill("reload", lost=1)
    svg = ElementTree.fromstring(plot(shown))
    assert [phase.text for phase in phases(shown)] == ["reload h-1"]
    kinds = [element.get("class") for element in svg]
    assert {"phase", "label", "grid", "axis", "allowed", "wait", "rate", "lost"} <= set(kinds)
    assert kinds.count("lost") == 1


def test_columns_hold_every_request_once_and_keep_the_slowest() -> None:
    """Short drills show each 10 ms; longer ones as much as there is room for."""
    shown = drill("reload", seconds=30)
    width = width_of(30)
    gathered = columns(shown, width)
    assert width_of(5) == 0.01
    assert sum(column.count for column in gathered) == sum(column.answered for column in gathered) == shown.requests == 3000
    assert max(column.slowest for column in gathered) == pytest.approx(0.008)
    assert len(gathered) <= 620


def test_a_stall_is_a_hole_in_the_answers() -> None:
    """Requests go on being due while nobody answers; the rate that is drawn falls to nothing, and the answers come all at once."""
    stalled = tuple(
        Sample(Client.FRESH, Kind.OK, "h:1", at, max(0.001, 4.0 - at) if at > 2 else 0.001, 0.0, 0.0, "r", "")
        for at in (number / 100 for number in range(600))
    )
    shown = result("reload", "", judge(Invariant(), Evidence(Account(stalled))), Account(stalled), (), 0, 0.0, 6.0)
    quiet = [column for column in columns(shown, 0.1) if 2.05 < column.at < 3.95]
    assert sum(column.count for column in quiet) > 150
    assert sum(column.answered for column in quiet) == 0


def test_machines_get_the_same_values() -> None:
    document = json.loads(json.dumps(run(drill("reload")).document()))
    assert (document["good"], document["requests"]) == (True, 1000)
    assert document["results"][0]["verdict"]["lost"] == 0


def test_a_browser_shows_it(tmp_path: Path) -> None:
    """Headless Chromium draws the whole page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt install chromium")
    (tmp_path / "report.html").write_text(page(run(drill("reload"), drill("restart", lost=3))))
    picture = tmp_path / "report.png"
    shot = (
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,1100",
        f"--screenshot={picture}", (tmp_path / "report.html").as_uri(),
    )  # fmt: skip
    subprocess.run(shot, check=True, capture_output=True, timeout=60)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
