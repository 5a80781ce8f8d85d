"""The report of a run: one HTML file that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator

from raab.drill.plot import plot
from raab.drill.results import Result, Run, failures
from raab.drill.verdict import ms

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --line: #d0d7de; --card: #f6f8fa;
  --wait: #0550ae; --rate: #8ba3c7; --phase: #bf870022; --edge: #bf8700; --good: #116329; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117; --line: #3d444d; --card: #161b22;
  --wait: #6cb2ff; --rate: #3d5a80; --phase: #d2992233; --edge: #d29922; --good: #56d364; --bad: #ff7b72; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 0; } p { margin: .3rem 0; }
.soft, .axis, .label { color: var(--soft); fill: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; } td.promise { white-space: normal; text-align: left; }
.wide { overflow-x: auto; } a { color: inherit; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 1rem; margin: 1rem 0; }
svg { width: 100%; height: auto; display: block; margin-top: .5rem; } svg text { font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); } .allowed { stroke: var(--bad); stroke-dasharray: 6 4; }
.phase { fill: var(--phase); stroke: var(--edge); stroke-opacity: .35; }
.wait { stroke: var(--wait); fill: none; stroke-width: 2; } .thin { stroke-width: .7; stroke-opacity: .5; }
.rate { fill: var(--rate); } .lost { fill: var(--bad); } ul { margin: .3rem 0; padding-left: 1.2rem; }
"""
COLUMNS = ("verdict", "drill", "operations", "requests", "lost", "3/N", "excused", "steady", "slowest", "p99.9", "seconds")


def page(run: Run) -> str:
    """The whole file."""
    sections = "\n".join(section(result) for result in run.results)
    title = f"raab drills: {run.environment}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>\n{head(run)}\n{table(run)}\n{legend()}\n{sections}\n</body></html>\n"
    )


def head(run: Run) -> str:
    verdict = '<span class="good">every promise was kept</span>' if run.good else '<span class="bad">promises were broken</span>'
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.began))
    return (
        f"<h1>raab drills: {verdict}</h1><p>{html.escape(run.line())}</p>"
        f'<p class="soft">{when}; {run.rate:g} requests/s offered to all hosts together; {html.escape(run.machine.line())}</p>'
    )


def table(run: Run) -> str:
    header = "".join(f"<th>{column}</th>" for column in COLUMNS)
    rows = "\n".join(f"<tr>{''.join(cells(result))}</tr>" for result in run.results)
    return f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'


def cells(result: Result) -> Iterator[str]:
    verdict, waits = result.verdict, result.verdict.waits
    yield '<td class="good">kept</td>' if verdict.good else '<td class="bad">broken</td>'
    yield f'<td><a href="#{result.name}">{html.escape(result.name)}</a></td>'
    bound = "" if verdict.lost else f"{result.bound:.1e}"
    values = (f"{result.operations:,}", f"{result.requests:,}", f"{verdict.lost:,}", bound, f"{verdict.excused:,}",
              ms(waits.steady), ms(waits.slowest), ms(result.percentiles[-1][1]), f"{result.seconds:.1f}")  # fmt: skip
    yield from (f"<td>{value}</td>" for value in values)


def legend() -> str:
    return (
        '<p class="soft">Lost: without a good answer. Beside every zero stands what it shows: with N requests and none lost, the rate of'
        " losses is below 3/N with 95 % confidence. Excused: what the promise does not cover, such as the request that a killed worker"
        " was serving. Waits count from the moment at which a request was due, not from when it could be sent; steady is the slowest one"
        " before the operations began. In each plot: above, the slowest request among those due in each short time; below, good answers"
        " per second; bands are the operations, named where there is room; the broken line is the longest wait that the promise allows;"
        " red marks are failed requests.</p>"
    )


def section(result: Result) -> str:
    mark = '<span class="good">kept</span>' if result.verdict.good else '<span class="bad">broken</span>'
    reasons = "".join(f'<li class="bad">{html.escape(reason)}</li>' for reason in result.verdict.reasons)
    told = f"<ul>{reasons}</ul>" if reasons else ""
    return (
        f'<section id="{result.name}"><h2>{html.escape(result.name)}: {mark}</h2><p>{html.escape(result.promise)}</p>'
        f'<p class="soft">{html.escape(figures(result))}</p>{told}{plot(result)}</section>'
    )


def figures(result: Result) -> str:
    """The figures below a drill's name."""
    percentiles = ", ".join(f"p{percent:g} {ms(wait)}" for percent, wait in result.percentiles)
    clients: dict[str, int] = {}
    for count in result.counts:
        clients[count.client] = clients.get(count.client, 0) + count.requests
    sent = ", ".join(f"{number:,} {client}" for client, number in clients.items())
    bound = "" if result.verdict.lost else f" (rate below 3/N = {result.bound:.1e})"
    lost = f"{result.verdict.lost:,} of {result.requests:,} lost{bound}"
    ended = ", ".join(f"{count.requests} {count.client} {count.kind}" for count in failures(result))
    return (
        f"{lost}{f'; failed: {ended}' if ended else ''}; {percentiles}; {result.operations} operations, {result.facts} facts checked;"
        f" {sent}; the sender was late by {ms(result.lag)} at most"
    )
