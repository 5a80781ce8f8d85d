"""What each verb of `fab` does: read, plan, run, print. Each returns its exit code."""

from __future__ import annotations

import json
import time
from pathlib import Path

from raab import exitcodes
from raab.deploy.flow import Operation
from raab.deploy.inspection.asking import Inspection
from raab.deploy.plan import text as plantext
from raab.deploy.plan.values import Plan
from raab.deploy.report import results as report


class Verbs(Inspection):
    """All verbs for one project and one choice of hosts."""

    def deploy(self, dry_run: bool, wait: float, restart: bool = False, take_over: bool = False) -> int:
        operation = Operation(self.root, self.environment, self.console.progress, wait)
        return self.show(operation.deploy(self.show_plan if dry_run else None, restart, take_over), dry_run)

    def rollback(self, to: str, dry_run: bool, wait: float) -> int:
        operation = Operation(self.root, self.environment, self.console.progress, wait)
        return self.show(operation.rollback(to, self.show_plan if dry_run else None), dry_run)

    def show_plan(self, planned: Plan) -> None:
        if self.as_json:
            hosts = [
                {
                    "name": host.host.name,
                    "verdict": host.verdict,
                    "release": host.release,
                    "from": host.previous,
                    "does": plantext.describe_host(host),
                }
                for host in planned.hosts
            ]
            told = {"environment": planned.environment, "plan": planned.title, "notes": planned.notes, "hosts": hosts}
            print(json.dumps({**told, "waves": planned.waves, "then": planned.back}))
        else:
            print(plantext.describe(planned))

    def show(self, done: report.Report, dry_run: bool) -> int:
        if self.as_json and not dry_run:
            print(done.json())
        if self.as_json:
            return done.exit_code
        if not dry_run:
            self.console.table(report.COLUMNS, map(report.row, done.hosts))
        for host in done.hosts:
            if host.result in ("unreachable", "refused", "failed", "reverted", "stranded") and not (
                dry_run and host.result == "refused" and host.previous
            ):
                print(f"\n{host.name}: {host.result}: {host.reason}" + (f"\nhint: {host.hint}" if host.hint else ""))
        for host in done.hosts:
            probe = host.probe
            if probe.failed:
                print(f"\n{host.name}: {probe.failed} of {probe.sent} requests across the switch failed, the first: {probe.reason}")
            if host.strays:
                print(f"\n{host.name}: processes of the service that are nobody's: {'; '.join(host.strays[:5])}")
                print("hint: `fab restart` ends them; see the readme, section After an intrusion")
        if not dry_run:
            print(report.summary(done))
        return done.exit_code


def build(root: Path, as_json: bool) -> int:
    """Make the bundle; needs no environment."""
    from raab.deploy.bundle.build import build as build_bundle

    began = time.monotonic()
    bundle = build_bundle(root)
    if as_json:
        told = {"release": bundle.id, "version": bundle.version, "commit": bundle.commit, "file": str(bundle.file), "bytes": bundle.size}
        print(json.dumps({**told, "notes": bundle.notes}))
    else:
        print(f"{bundle.id}  version {bundle.version}, {bundle.size} bytes, {time.monotonic() - began:.2f} s\n{bundle.file}")
        for note in bundle.notes:
            print(note)
    return exitcodes.DONE
