"""`raab status`: what the master says of itself, with what its processes weigh."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from raab.errors import RaabError
from raab.host.beside import rows
from raab.host.master import strays
from raab.host.master.overview import template_ready, whole
from raab.host.paths import Paths

_MB = 1024 * 1024


def run(services: Sequence[Paths], args: argparse.Namespace) -> int:
    """Print the status for people, or with --json as one document: that of the service, or of each by its name where there are several.

    Raises RaabError, exit code 3, when the one service does not run; of several it is the exit code then.
    """
    if len(services) == 1:
        status = everything(services[0])
        print(json.dumps(status, indent=2) if args.json else render(status, time.time(), services[0].name))
        return 0
    found = {paths.name: of(paths) for paths in services}
    failed = {name: told for name, told in found.items() if isinstance(told, RaabError)}
    good = {name: told for name, told in found.items() if not isinstance(told, RaabError)}
    if args.json:
        print(json.dumps(good | {name: {"error": error.message} for name, error in failed.items()}, indent=2, sort_keys=True))
    else:
        texts = {name: render(told, time.time(), name) for name, told in good.items()} | {
            name: str(error) for name, error in failed.items()
        }
        print("\n\n".join(f"{name}\n{texts[name]}" for name in found))
    return max((error.exit_code for error in failed.values()), default=0)


def everything(paths: Paths) -> dict[str, Any]:
    """With what the service has beside its web."""
    processes = [row._asdict() for row in rows.processes(paths)]
    return {**whole(paths), "processes": processes, "timers": [row._asdict() for row in rows.timers(paths)]}


def of(paths: Paths) -> dict[str, Any] | RaabError:
    """The status of one of several, or why it has none: nobody else is held up by that."""
    try:
        return everything(paths)
    except RaabError as error:
        return error


def render(status: dict[str, Any], now: float, service: str) -> str:
    """The status of a service as a person reads it; `now` in seconds since the epoch."""
    low, high = status["bounds"]
    lines = [
        f"release      {status['release']}",
        f"generation   {status['generation']}" + (f", {status['incoming']} on its way" if status["incoming"] else ""),
        f"workers      {status['serving']} serving, target {status['target']} (bounds {low} to {high}, configured {status['configured']})",
        *([f"loaded       {_load(status)}"] if "load" in status else []),
        f"master       {status['pid']}, up {_span(now - status['started'])}",
        f"last reload  {_reload(status['reload'], now)}",
        f"memory       {_memory(status['memory'])}",
        "",
        _row("PID", "GENERATION", "PHASE", "AGE", "PRIVATE", "SHARED", "REQUESTS", "OPEN", "BUSY"),
    ]
    for t in status.get("templates", []):
        phase = "template" if t["ready"] else "loading"
        lines.append(_row(t["pid"], t["generation"], phase, "", _megabytes(t["private"]), _megabytes(t["shared"])))
    for w in status["workers"]:
        sizes = _megabytes(w["private"]), _megabytes(w["shared"])
        lines.append(_row(w["pid"], w["generation"], w["phase"], _span(w["age"]), *sizes, w["requests"], w["connections"], w["active"]))
    if status.get("processes") or status.get("timers"):
        lines += ["", *_beside(status, now)]
    if status.get("strays"):
        lines += ["", f"These are nobody's, and live on until `systemctl restart {service}` (readme, After an intrusion):"]
        lines += [strays.Stray(**stray).text for stray in status["strays"]]
    return "\n".join(lines)


def _beside(status: dict[str, Any], now: float) -> Iterator[str]:
    if status["processes"]:
        yield f"{'PROCESS':<20}  {'STATE':<12}  {'PID':>8}  {'UP':>8}  {'RESTARTS':>8}  RELEASE"
    for one in status["processes"]:
        up = _span(one["seconds"]) if one["seconds"] else "-"
        yield f"{one['name']:<20}  {one['state']:<12}  {one['pid'] or '-':>8}  {up:>8}  {one['restarts']:>8}  {one['release']}"
    if status["timers"]:
        yield f"{'TIMER':<20}  {'STATE':<12}  {'LAST':>12}  {'CODE':>4}  {'NEXT IN':>12}  RELEASE"
    for one in status["timers"]:
        last = f"{_span(now - one['last'])} ago" if one["last"] else "-"
        code = "-" if one["code"] is None else one["code"]
        coming = _span(max(one["next"] - now, 0)) if one["next"] else "-"
        yield f"{one['name']:<20}  {one['state']:<12}  {last:>12}  {code:>4}  {coming:>12}  {one['release']}"


def _load(status: dict[str, Any]) -> str:
    if status["load"]["mode"] == "each":
        return f"by each worker: {status['load']['why']}"
    return "once for all workers" if template_ready(status) else "once for all workers, and now once more: there is no template"


def _memory(sizes: dict[str, int]) -> str:
    common = f" and {_megabytes(sizes['common'])} that they share" if sizes["common"] else ""
    return f"{_megabytes(sizes['workers'])} in workers{common}, a hand-over takes {_megabytes(sizes['handover'])} more"


def _row(
    pid: Any, generation: Any, phase: str, age: str, private: str, shared: str, requests: Any = "", open: Any = "", busy: Any = ""
) -> str:
    return (f"{pid:>8}  {generation:>10}  {phase:<9}  {age:>8}  {private:>8}  {shared:>8}  {requests:>9}  {open:>5}  {busy:>5}").rstrip()


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / _MB:.0f} MB"


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
