"""`fab status`: what serves on each host, and where it really answers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from typing import Any

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.deploy.hosts.fleet import Outcome, everywhere
from raab.deploy.hosts.runner import Runner
from raab.deploy.inspection import besides, edges, rates
from raab.deploy.inspection.rates import Rates
from raab.deploy.plan import facts as planned
from raab.deploy.plan import wayback
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.reach import reachable
from raab.deploy.plan.wayback import Way
from raab.deploy.report import output
from raab.protocol.answers import Facts, Status
from raab.protocol.reading import plainly
from raab.protocol.service import ServiceStatus, Traffic

# A service that answers at all does so within this many seconds.
PATIENCE_SECONDS = 2.0
COLUMNS = ("host", "url", "state", "release", "version", "generation", "workers", "requests/s", "p99", "5xx")
# Between two looks at what was counted, which rates are made of.
RATES_SECONDS = 1.0
Counts = dict[str, Traffic]


def status(desk: Desk, watch: float = 0.0) -> int:
    """Print what each host serves; with `watch` again and again, so many seconds apart, until Ctrl-C. The exit code."""
    with desk.runner() as runner:
        before: Counts = {}
        while True:
            code, before = once(desk, runner, before)
            if not watch or output.gone():
                return code
            time.sleep(watch)
            if sys.stdout.isatty() and not desk.as_json:
                # Clear, and home (console_codes(4)).
                print("\x1b[2J\x1b[H", end="")


def once(desk: Desk, runner: Runner, before: Counts) -> tuple[int, Counts]:
    """The exit code, and what was counted until now. `before`: what was counted until the last time, nothing for the first one."""
    told = everywhere(runner.hosts, lambda name: look(runner, name), runner.parallel)
    fronts = everywhere(runner.edges, lambda name: runner.ask(name, "status", Status).status.edge, runner.parallel)
    before = before or counts(runner, told.done)
    counted_at = time.monotonic()
    answering = everywhere(
        told.done, lambda name: answers(desk.environment, runner.hosts[name], told.done[name][0].status), runner.parallel
    )
    time.sleep(max(0.0, counted_at + RATES_SECONDS - time.monotonic()) if before else 0.0)
    after = counts(runner, told.done)
    counted = {name: found for name in before.keys() & after.keys() if (found := rates.between(before[name], after[name]))}
    rated = {name: rates.rates((found,)) for name, found in counted.items()}
    total = rates.rates(counted.values()) if counted else None
    rows = [row(desk.environment, host, told, answering.done.get(host.name, ""), rated.get(host.name)) for host in desk.environment.hosts]
    ways = {name: Way.of(facts) for name, (_, facts) in told.done.items()}
    if desk.as_json:
        whole = {"environment": desk.environment.name, "rollback": wayback.target(ways) or None, "traffic": total and total.told()}
        edges_told = [
            {
                "name": edge.name,
                "address": edge.address,
                "edge": plainly(fronts.done[edge.name]) if fronts.done.get(edge.name) else None,
                "error": fronts.failed[edge.name].message if edge.name in fronts.failed else None,
            }
            for edge in desk.environment.edges
        ]
        print(json.dumps({**whole, "hosts": rows, **({"edges": edges_told} if edges_told else {})}), flush=True)
    else:
        desk.console.table(COLUMNS, [cells(one, rated.get(one["name"])) for one in rows])
        if total and len(rows) > 1:
            print("all of them: {} requests/s, p99 {}, 5xx {}".format(*rates.cells(total)))
        if beside := [cells for host, (told_, _) in told.done.items() for cells in besides.rows(host, told_.status, time.time())]:
            print()
            desk.console.table(besides.COLUMNS, beside)
        known = {**{host: told_.status.edge for host, (told_, _) in told.done.items()}, **fronts.done}
        if through := [cells for host, edge in known.items() for cells in edges.rows(host, edge, time.time())]:
            print()
            desk.console.table(edges.COLUMNS, through)
        if pool := [cells for host, edge in fronts.done.items() for cells in edges.pool(host, edge)]:
            print()
            desk.console.table(edges.POOL_COLUMNS, pool)
        for name in (name for name, edge in fronts.done.items() if edge is None):
            print(f"{name}  an edge that takes no requests for {desk.environment.service} yet")
        for one in rows:
            if one["label"]:
                print(f"{one['name']}  {one['release']}: {one['label']}")
        if back := wayback.told(ways):
            print(back)
        for error in (*told.failed.values(), *fronts.failed.values()):
            print(f"\n{error}")
        sys.stdout.flush()
    return max((error.exit_code for error in (*told.failed.values(), *fronts.failed.values())), default=exitcodes.DONE), after


def counts(runner: Runner, names: Iterable[str]) -> Counts:
    """What each host's workers have counted; nothing of one that cannot tell: that costs it its rates alone."""
    return everywhere(names, lambda name: runner.ask(name, "traffic", Traffic), runner.parallel).done


def look(runner: Runner, name: str) -> tuple[Status, HostFacts]:
    """What serves on a host, and what it has."""
    return runner.ask(name, "status", Status), planned.of(runner.ask(name, "facts", Facts).facts)


def row(
    environment: Environment, host: Host, told: Outcome[tuple[Status, HostFacts]], answering: str, rated: Rates | None
) -> dict[str, Any]:
    status, facts = (
        (told.done[host.name][0].status, told.done[host.name][1]) if host.name in told.done else (ServiceStatus("unreachable"), None)
    )
    return {
        "name": host.name,
        "address": host.address,
        "url": answering or environment.url(host),
        "answers": bool(answering),
        "state": status.state,
        "drained": status.drained,
        "release": status.release,
        "version": status.version,
        "label": facts.label(status.release) if facts else "",
        "generation": status.raab.generation,
        "workers": {"target": status.raab.target, "serving": status.raab.serving},
        "traffic": rated and rated.told(),
        "processes": [one._asdict() for one in status.processes],
        "timers": [one._asdict() for one in status.timers],
        "edge": plainly(status.edge) if status.edge else None,
        "error": told.failed[host.name].message if host.name in told.failed else None,
    }


def cells(one: dict[str, Any], rated: Rates | None) -> tuple[str, ...]:
    url = one["url"] if one["answers"] or one["state"] != "active" else f"{one['url']} (no answer from here)"
    state = one["state"] + (", drained" if one["drained"] else "")
    workers = f"{one['workers']['serving'] or 0}/{one['workers']['target'] or 0}"
    return (
        one["name"],
        url,
        state,
        one["release"] or "-",
        one["version"] or "-",
        str(one["generation"] or "-"),
        workers,
        *rates.cells(rated),
    )


def answers(environment: Environment, host: Host, status: ServiceStatus) -> str:
    """The first of the URLs by which the service may be reached from here that answers, whatever it says; empty where none does."""
    urls = dict.fromkeys((*reachable(host.address, status.raab.bind), environment.url(host)))
    return next((url for url in urls if answered(url)), "") if status.raab.said else ""


def answered(url: str) -> bool:
    connection = HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=PATIENCE_SECONDS)
    try:
        connection.putrequest("GET", "/livez")
        connection.endheaders()
        return connection.getresponse().status > 0
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
