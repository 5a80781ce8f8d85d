"""`raab status`: what the master says of itself, with what its workers weigh."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from raab.host import strays
from raab.host.control import ask

_MB = 1024 * 1024


def run(args: argparse.Namespace) -> int:
    """Print the status for people, or with --json as one document. Raises RaabError, exit code 3, when nothing runs."""
    status = document(10.0, patient=True)
    status["strays"] = [stray._asdict() for stray in strays.find()]
    print(json.dumps(status, indent=2) if args.json else render(status, time.time()))
    return 0


def document(seconds: float, **how: bool) -> dict[str, Any]:
    """What the master tells within so many seconds, and what its workers weigh. `how` and what is raised are those of `ask`."""
    status = ask(seconds, verb="status", **how)
    for worker in status["workers"]:
        worker["memory"] = private_memory(worker["pid"])
    sizes = [worker["memory"] for worker in status["workers"] if worker["memory"]]
    average = sum(sizes) // len(sizes) if sizes else 0
    extra = 1 if status["one_by_one"] else status["target"]
    status["serving"] = sum(worker["phase"] == "serving" for worker in status["workers"])
    status["memory"] = {"workers": sum(sizes), "handover": average * extra}
    return status


def private_memory(pid: int) -> int | None:
    """Bytes that this process alone holds (proc(5), smaps_rollup), or None when that cannot be seen."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def render(status: dict[str, Any], now: float) -> str:
    """The status as a person reads it; `now` in seconds since the epoch."""
    low, high = status["bounds"]
    weight, extra = (status["memory"][part] / _MB for part in ("workers", "handover"))
    lines = [
        f"release      {status['release']}",
        f"generation   {status['generation']}" + (f", {status['incoming']} on its way" if status["incoming"] else ""),
        f"workers      {status['serving']} serving, target {status['target']} (bounds {low} to {high}, configured {status['configured']})",
        f"master       {status['pid']}, up {_span(now - status['started'])}",
        f"last reload  {_reload(status['reload'], now)}",
        f"memory       {weight:.0f} MB in workers, a hand-over takes {extra:.0f} MB more",
        "",
        f"{'PID':>8}  {'GENERATION':>10}  {'PHASE':<9}  {'AGE':>8}  {'MEMORY':>8}  {'REQUESTS':>9}  {'OPEN':>5}  {'BUSY':>5}",
    ]
    for w in status["workers"]:
        memory = f"{w['memory'] / _MB:.0f} MB" if w["memory"] else "?"
        lines.append(
            f"{w['pid']:>8}  {w['generation']:>10}  {w['phase']:<9}  {_span(w['age']):>8}  {memory:>8}"
            f"  {w['requests']:>9}  {w['connections']:>5}  {w['active']:>5}"
        )
    if status.get("strays"):
        lines += ["", "These are nobody's, and live on until `systemctl restart raab` (readme, After an intrusion):"]
        lines += [strays.Stray(**stray).text for stray in status["strays"]]
    return "\n".join(lines)


def _reload(outcome: dict[str, Any] | None, now: float) -> str:
    if outcome is None:
        return "none yet"
    verdict = "done" if outcome["good"] else f"refused: {outcome['reason']}"
    return f"{_span(now - outcome['at'])} ago, {verdict}, took {outcome['seconds']:.2f} s" + (", new master" if outcome["replaced"] else "")


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} m" if whole < 86400 else f"{whole // 86400} d {whole % 86400 // 3600} h"
