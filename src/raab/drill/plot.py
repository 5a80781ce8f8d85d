"""One drill's course as SVG: the slowest request and the number of answers in each short time, with the operation's phases."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass

from raab.drill.results import Result
from raab.drill.traffic.account import Bucket

WIDTH, LEFT, RIGHT = 960, 62, 12
LATENCY_TOP, LATENCY_HEIGHT = 26, 150
RATE_TOP, RATE_HEIGHT = 192, 54
HEIGHT = 272
# The axis of waits is logarithmic: 1 ms to 30 s fit on it, and both ends can be read.
LEAST, MOST = 0.001, 30.0
DECADES = ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"))
NARROWEST_LABEL = 64


@dataclass(frozen=True)
class Column:
    """The requests that were due within one column of the plot, and the good answers that came within it."""

    at: float
    count: int
    failed: int
    slowest: float
    answered: int


@dataclass(frozen=True)
class Phase:
    """An operation from its begin to its end, seconds since the drill's start."""

    begin: float
    end: float
    text: str


@dataclass(frozen=True)
class Scale:
    """From seconds and waits to the plot's units."""

    begin: float
    end: float

    def x(self, at: float) -> float:
        return LEFT + (at - self.begin) / (self.end - self.begin) * (WIDTH - LEFT - RIGHT)

    def y(self, wait: float) -> float:
        share = math.log(min(max(wait, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
        return LATENCY_TOP + LATENCY_HEIGHT * (1 - share)


def phases(result: Result) -> tuple[Phase, ...]:
    """The operations, from the marks `<text> begin` and `<text> end`; several of one text follow one another."""
    found, open_since = [], {}
    for mark in result.marks:
        text, _, edge = mark.text.rpartition(" ")
        if edge == "begin":
            open_since[text] = mark.at
        elif edge == "end" and text in open_since:
            found.append(Phase(open_since.pop(text), mark.at, text))
    return tuple(sorted((phase for phase in found if phase.text != "operation"), key=lambda phase: phase.begin))


def width_of(seconds: float) -> float:
    """How many seconds one column holds: 10 ms in a short drill, more where the plot has no room for that."""
    return max(0.01, math.ceil(seconds / 600 * 100) / 100)


def columns(result: Result, width: float) -> tuple[Column, ...]:
    """The buckets gathered into columns of that many seconds, without the empty ones."""
    gathered: dict[int, list[Bucket]] = {}
    for bucket in result.timeline:
        gathered.setdefault(math.floor(bucket.at / width), []).append(bucket)
    return tuple(
        Column(
            number * width, sum(bucket.count for bucket in inside), sum(bucket.failed for bucket in inside),
            max(bucket.slowest for bucket in inside), sum(bucket.answered for bucket in inside),
        )
        for number, inside in sorted(gathered.items())
    )  # fmt: skip


def plot(result: Result) -> str:
    """The SVG element; its colours come from the page's style, so that it suits a dark and a light one."""
    if not result.timeline:
        return ""
    begin, end = result.timeline[0].at, max(result.timeline[-1].at, result.timeline[0].at + 1)
    scale, width = Scale(begin, end), width_of(end - begin)
    shown = columns(result, width)
    title = html.escape(f"{result.name}: slowest request and answers per second over {end - begin:.0f} s")
    parts = [
        *shades(result, scale),
        *grid(scale),
        *allowed(result, scale),
        *waits(shown, scale, width),
        *rates(shown, scale, width),
        *losses(shown, scale),
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def shades(result: Result, scale: Scale) -> Iterator[str]:
    """The operations as bands; labelled where there is room."""
    free = 0.0
    for phase in phases(result):
        left, right = scale.x(phase.begin), max(scale.x(phase.end), scale.x(phase.begin) + 1)
        tip = html.escape(f"{phase.text}, {phase.end - phase.begin:.2f} s")
        box = f'x="{left:.1f}" y="{LATENCY_TOP}" width="{right - left:.1f}" height="{RATE_TOP + RATE_HEIGHT - LATENCY_TOP}"'
        yield f'<rect class="phase" {box}><title>{tip}</title></rect>'
        label = html.escape(phase.text)
        if left >= free and left + 6 * len(phase.text) < WIDTH:
            yield f'<text class="label" x="{left:.1f}" y="{LATENCY_TOP - 6}">{label}</text>'
            free = left + max(NARROWEST_LABEL, 6.2 * len(phase.text) + 8)


def grid(scale: Scale) -> Iterator[str]:
    for wait, text in DECADES:
        y = scale.y(wait)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    step = next(step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if (scale.end - scale.begin) / step <= 12 or step == 600)
    at = 0.0
    while scale.begin + at <= scale.end:
        yield f'<text class="axis" x="{scale.x(scale.begin + at):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{at:.0f} s</text>'
        at += step


def allowed(result: Result, scale: Scale) -> Iterator[str]:
    """How long a request may wait by the drill's promise."""
    y = scale.y(result.verdict.waits.allowed)
    yield f'<line class="allowed" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def waits(shown: tuple[Column, ...], scale: Scale, width: float) -> Iterator[str]:
    """The slowest request of each column, as a step."""
    shown = tuple(one for one in shown if one.count)
    points = " ".join(f"M{scale.x(one.at):.1f} {scale.y(one.slowest):.1f}H{scale.x(one.at + width):.1f}" for one in shown)
    line = " ".join(f"{scale.x(one.at + width / 2):.1f},{scale.y(one.slowest):.1f}" for one in shown)
    yield f'<polyline class="wait thin" points="{line}"/><path class="wait" d="{points}"/>'


def rates(shown: tuple[Column, ...], scale: Scale, width: float) -> Iterator[str]:
    """Good answers per second, smoothed over a quarter of a second, as an area."""
    quarter = max(1, round(0.25 / width))
    grouped: dict[int, int] = {}
    for one in shown:
        number = math.floor(one.at / width / quarter)
        grouped[number] = grouped.get(number, 0) + one.answered
    seconds = quarter * width
    # The last group is cut short by the end.
    highest = max(1, *grouped.values()) / seconds
    base = RATE_TOP + RATE_HEIGHT
    bars = "".join(
        f"M{scale.x(max(number * seconds, scale.begin)):.1f} {base}V{base - RATE_HEIGHT * count / seconds / highest:.1f}"
        f"H{min(scale.x((number + 1) * seconds), WIDTH - RIGHT):.1f}V{base}Z"
        for number, count in sorted(grouped.items())
    )
    yield f'<path class="rate" d="{bars}"/><text class="axis" x="{LEFT - 6}" y="{RATE_TOP + 9}" text-anchor="end">{highest:,.0f}/s</text>'


def losses(shown: tuple[Column, ...], scale: Scale) -> Iterator[str]:
    """Where requests failed, lost or excused."""
    for one in shown:
        if one.failed:
            x, y = scale.x(one.at), LATENCY_TOP
            yield f'<path class="lost" d="M{x - 5:.1f} {y}h10l-5 9z"><title>{one.failed} failed</title></path>'
