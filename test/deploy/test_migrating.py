"""A database is migrated once, when each host has loaded the release and before any is switched; hosts are played by the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raab.deploy.hosts.refusals import ConnectionLost
from raab.deploy.migrating import Migrating
from raab.deploy.plan.environment import Host
from raab.deploy.plan.migration import Migration
from raab.deploy.plan.values import HostPlan, Plan
from raab.deploy.report import results
from raab.deploy.report.results import HostReport, Migrated
from raab.errors import RaabError
from raab.protocol.answers import Nothing, Timed
from raab.settings.commands import Migrate

NAMES = ("a", "b", "c")


class Played:
    """Stands for the runner. `refusing`: an operation and a host that end in an error."""

    parallel = 1

    def __init__(self, refusing: tuple[str, str] = ("", ""), error: RaabError | None = None) -> None:
        self.refusing, self.error = refusing, error or RaabError("no such table", "mend it", 4)
        self.log: list[str] = []

    def base(self, plan: HostPlan) -> HostReport:
        return HostReport(plan.host.name, "", "untouched", plan.previous, plan.previous)

    def stands(self, name: str, **_: Any) -> None: ...

    def progress(self, host: str, text: str) -> None: ...

    def ask(self, name: str, operation: str, kind: Any, on_text: Callable[[str], None] = print, lasts: bool = False, **values: Any) -> Any:
        runs = operation == "migrate" and values.get("command")
        self.log.append(f"{operation} {values['release']} on {name}" + (f" by {runs['command']}" if runs else ""))
        if runs:
            on_text("Running upgrade 1 -> 2")
        if (operation, name) == self.refusing:
            raise self.error
        return Timed(1.5) if kind is Timed else Nothing()


def migrate(played: Played) -> tuple[dict[str, HostReport], Migrated | None]:
    plans = tuple(HostPlan(Host(name, "", 22, "root", "", "", ("app",)), "activate", "new", "old") for name in NAMES)
    migration = Migration("b", Migrate(command="flask db upgrade"), ("2_more",))
    return Migrating(played, Plan("prod", "", plans, (NAMES,), migration=migration), migration).carry_out()  # type: ignore[arg-type]


def test_once_after_each_host_has_loaded_it() -> None:
    played = Played()
    failed, done = migrate(played)
    assert played.log == [
        *(f"load new on {name}" for name in NAMES), "migrate new on b by flask db upgrade", "migrate new on a", "migrate new on c",
    ]  # fmt: skip
    assert not failed
    assert done == Migrated("b", "flask db upgrade", ("2_more",), 1.5, ("Running upgrade 1 -> 2",))


def test_where_one_host_cannot_load_it_the_database_stays_as_it_is() -> None:
    played = Played(("load", "c"))
    failed, done = migrate(played)
    assert done is None and not [line for line in played.log if line.startswith("migrate")]
    assert {name: (one.result, one.release, one.reason, one.hint) for name, one in failed.items()} == {
        "c": ("failed", "old", "no such table", "mend it")
    }


def test_one_that_fails_is_told_with_its_output_and_noted_nowhere() -> None:
    played = Played(("migrate", "b"))
    failed, done = migrate(played)
    assert list(failed) == ["b"] and failed["b"].result == "failed"
    assert done and done.failed and done.output == ("Running upgrade 1 -> 2",)
    assert played.log[-1].startswith("migrate new on b by")
    assert "stays unless" in results.migrated(done, 4)


def test_a_connection_that_is_lost_leaves_it_unknown() -> None:
    failed, _ = migrate(Played(("migrate", "b"), ConnectionLost("the connection was lost", exit_code=3)))
    assert (failed["b"].result, failed["b"].reason) == (
        "unreachable",
        "the connection was lost; whether the database was migrated is not known",
    )


def test_where_it_cannot_be_noted_nothing_is_switched() -> None:
    failed, done = migrate(Played(("migrate", "c")))
    assert list(failed) == ["c"] and done and not done.failed


@pytest.mark.parametrize(("code", "told"), [(0, "in 1.5 s"), (4, "it stays so")])
def test_that_it_stays_is_said_where_the_release_does_not_serve(code: int, told: str) -> None:
    assert told in results.migrated(Migrated("b", "x", seconds=1.5), code)
