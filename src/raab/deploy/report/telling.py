"""What a plan, a report and a bundle are as text, on standard output."""

from __future__ import annotations

import json
from typing import Any

from msgspec import to_builtins

from raab.deploy.bundle.parts import Bundle
from raab.deploy.plan import text
from raab.deploy.plan.values import Plan
from raab.deploy.report import results
from raab.deploy.report.console import Console
from raab.deploy.report.results import HostReport, Report

BAD = ("unreachable", "refused", "failed", "reverted", "stranded", "unknown")


def plan(planned: Plan, done: Report, as_json: bool) -> int:
    """Print a plan, and which hosts could not be asked. The exit code."""
    if as_json:
        hosts = [
            {
                "name": host.host.name,
                "verdict": host.verdict,
                "release": host.release,
                "from": host.previous,
                "does": text.describe_host(host),
            }
            for host in (*planned.hosts, *planned.edges)
        ]
        told: dict[str, Any] = {"environment": planned.environment, "plan": planned.title, "notes": planned.notes, "hosts": hosts}
        if planned.migration:
            told["migrate"] = to_builtins(planned.migration)
        print(json.dumps({**told, "waves": planned.waves, "then": planned.back}))
        return done.exit_code
    print(text.describe(planned))
    for host in done.hosts:
        # Why a host is refused is in its plan.
        if host.result in BAD and not (host.result == "refused" and host.previous):
            reason(host)
    return done.exit_code


def report(done: Report, console: Console, as_json: bool) -> int:
    """Print what came of an operation. The exit code."""
    if as_json:
        print(done.json())
        return done.exit_code
    console.table(results.COLUMNS, map(results.row, done.hosts))
    if done.canary:
        print(done.canary.lines)
    if done.migrated:
        print(results.migrated(done.migrated, done.exit_code))
    for host in done.hosts:
        if host.result in BAD:
            reason(host)
    for host in done.hosts:
        probe = host.probe
        if probe.failed:
            print(f"\n{host.name}: {probe.failed} of {probe.sent} requests across the switch failed, the first: {probe.reason}")
        if host.strays:
            print(f"\n{host.name}: processes of the service that are nobody's: {'; '.join(host.strays[:5])}")
            print("hint: `fab restart` ends them; see the readme, section After an intrusion")
    print(results.summary(done))
    return done.exit_code


def reason(host: HostReport) -> None:
    print(f"\n{host.name}: {host.result}: {host.reason}" + (f"\nhint: {host.hint}" if host.hint else ""))


def bundle(made: Bundle, seconds: float, as_json: bool) -> None:
    """Print what a bundle is and where it lies; it took so many seconds to make."""
    if as_json:
        told = {"release": made.id, "version": made.version, "commit": made.commit, "file": str(made.file), "bytes": made.size}
        print(json.dumps({**told, "notes": made.notes}))
        return
    print(f"{made.id}  version {made.version}, {made.size} bytes, {seconds:.2f} s\n{made.file}")
    for note in made.notes:
        print(note)
