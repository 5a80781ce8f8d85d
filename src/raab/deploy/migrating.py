"""What comes between staging and switching where a release has a database to migrate. Nothing is switched here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.hosts.fleet import everywhere
from raab.deploy.hosts.refusals import ConnectionLost
from raab.deploy.hosts.runner import Runner, myself
from raab.deploy.plan.migration import Migration
from raab.deploy.plan.values import HostPlan, Plan
from raab.deploy.report.results import HostReport, Migrated
from raab.errors import RaabError
from raab.protocol.answers import Nothing, Timed

Failures = dict[str, HostReport]


class Migrating:
    """That each host can load the release, without asking whether it is ready; then the migration, on one; then a note of it on each."""

    def __init__(self, runner: Runner, plan: Plan, migration: Migration) -> None:
        self.runner = runner
        self.migration = migration
        self.plans: Mapping[str, HostPlan] = {host.host.name: host for host in plan.active}
        self.lines: list[str] = []

    def carry_out(self) -> tuple[Failures, Migrated | None]:
        """The hosts that stand in the way, and what became of the database if it came to that."""
        self.runner.progress("", "loading the release on each host, before the database is migrated")
        loaded = everywhere(self.plans, self.load, self.runner.parallel)
        if loaded.failed:
            return {name: self.failed(name, error) for name, error in loaded.failed.items()}, None
        name, command = self.migration.host, self.migration.command
        self.runner.progress(name, f"migrating: {command.command}")
        done = Migrated(name, command.command, self.migration.pending)
        self.runner.stands(name, doing="the migration of the database")
        try:
            seconds = self.runner.ask(name, "migrate", Timed, self.say, lasts=True, **self.asked(name), command=command.told).seconds
        except RaabError as error:
            unknown = "; whether the database was migrated is not known" if isinstance(error, ConnectionLost) else ""
            failed = replace(done, failed=True, output=tuple(self.lines))
            return {name: self.failed(name, error, unknown)}, failed
        self.runner.stands(name, doing="")
        done = replace(done, seconds=seconds, output=tuple(self.lines))
        noted = everywhere(
            (other for other in self.plans if other != name),
            lambda other: self.runner.ask(other, "migrate", Timed, **self.asked(other)),
            self.runner.parallel,
        )
        return {other: self.failed(other, error) for other, error in noted.failed.items()}, done

    def load(self, name: str) -> Nothing:
        return self.runner.ask(name, "load", Nothing, lasts=True, release=self.plans[name].release)

    def asked(self, name: str) -> dict[str, Any]:
        return {"release": self.plans[name].release, **myself()}

    def say(self, line: str) -> None:
        self.lines.append(line)
        self.runner.progress(self.migration.host, line)

    def failed(self, name: str, error: RaabError, more: str = "") -> HostReport:
        """A host that serves what it served."""
        result = "unreachable" if error.exit_code == exitcodes.UNREACHABLE else "failed"
        return replace(self.runner.base(self.plans[name]), result=result, reason=error.message + more, hint=error.hint)
