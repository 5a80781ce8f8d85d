"""What a deploy will have migrated, and what a way back will meet, by what hosts have on record."""

from __future__ import annotations

from raab.deploy.plan import migration
from raab.deploy.plan.facts import HostFacts, parse
from raab.protocol.facts import InstalledRelease
from raab.settings.commands import Migrate

BASE = {
    "python": "3.11.2", "implementation": "CPython", "libc": "glibc 2.36", "machine": "x86_64", "system": "Debian", "uid": 0, "time": 0,
    "disk_free": 1, "disk_total": 1, "inodes_free": 1, "systemd": 252,
}  # fmt: skip
MIGRATE = Migrate(command="flask db upgrade")


def host(migrated: tuple[str, ...], **releases: tuple[str, ...]) -> HostFacts:
    told = [
        {"id": name, "complete": True, "content": "", "version": "", "commit": "", "lock": "", "migrations": list(names)}
        for name, names in releases.items()
    ]
    return parse({**BASE, "releases": told, "migrated": list(migrated)})


def test_pending_is_what_no_release_has_brought_by_which_the_database_was_migrated() -> None:
    facts = {"a": host(("one",), one=("1", "2")), "b": host((), two=("1", "2", "3"))}
    planned = migration.planned("a", MIGRATE, ("1", "2", "3"), facts)
    assert (planned.pending, planned.first, planned.told) == (("3",), False, "1 pending: 3")
    assert migration.planned("a", MIGRATE, ("1", "2"), facts).told == "no migration is new"
    assert planned.lines[0].startswith("migrate on a, once, in the new release") and planned.lines[0].endswith(": flask db upgrade")


def test_of_a_database_that_raab_has_never_migrated_it_says_so() -> None:
    planned = migration.planned("a", MIGRATE, tuple("abcdefg"), {"a": host((), one=("a",))})
    assert planned.told == "7 pending, for raab has migrated this database by no release yet: c, d, e, f, g and 2 before"


def test_of_what_has_no_files_only_the_command_is_told() -> None:
    assert len(migration.planned("a", MIGRATE, (), {"a": host(())}).lines) == 1


def test_a_way_back_meets_what_was_migrated_since() -> None:
    facts = {"a": host(("one", "two", "three"), one=("1",), two=("1", "2"), three=("1", "2", "3"))}
    assert migration.ahead("one", facts).endswith("with what one does not know: 2, 3")
    assert migration.ahead("two", facts).endswith("with what two does not know: 3")
    assert migration.ahead("three", facts) == ""


def test_a_way_back_past_a_release_that_was_migrated_before_is_none_of_its_affair() -> None:
    """What was squashed away meanwhile lacks nobody."""
    facts = {"a": host(("one", "two"), one=("1", "2"), two=("squashed",))}
    assert migration.ahead("two", facts) == ""


def test_a_way_back_over_migrations_that_nobody_can_name_is_told_too() -> None:
    facts = {"a": host(("one", "two"), one=(), two=())}
    assert migration.ahead("one", facts) == "the database stays as it is, migrated by two since"
    assert migration.ahead("one", {"a": host(())}) == ""


def test_a_release_is_told_with_its_migrations() -> None:
    assert host((), one=("1",)).releases == (InstalledRelease("one", True, "", "", "", "", migrations=("1",)),)
