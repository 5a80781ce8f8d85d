"""What becomes of a database: what a deploy will have migrated, and what a way back will meet. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from raab.deploy.plan.facts import HostFacts
from raab.settings.commands import Migrate

# So many are named where there may be hundreds.
NAMED = 5


class Migration(Struct, frozen=True):
    """A database is migrated once, by one host. `pending` are the migrations that no release has brought yet which raab has migrated by;
    `first`: none has at all, and what the database has already is not known. `files`: whether the release has any that can be told."""

    host: str
    command: Migrate
    pending: tuple[str, ...] = ()
    first: bool = False
    files: bool = True

    @property
    def lines(self) -> tuple[str, ...]:
        """For people."""
        when = "once, in the new release, when each host has loaded it and before any is switched"
        return (f"migrate on {self.host}, {when}: {self.command.command}", *([f"  {self.told}"] if self.files else []))

    @property
    def told(self) -> str:
        if not self.pending:
            return "no migration is new"
        since = ", for raab has migrated this database by no release yet" if self.first else ""
        return f"{len(self.pending)} pending{since}: {named(self.pending)}"


def planned(host: str, command: Migrate, migrations: tuple[str, ...], facts: Mapping[str, HostFacts]) -> Migration:
    known = done(facts)
    return Migration(host, command, tuple(name for name in migrations if name not in known), not migrated(facts), bool(migrations))


def migrated(facts: Mapping[str, HostFacts]) -> set[str]:
    """The releases by which any of the hosts knows that the database was migrated."""
    return {release for host in facts.values() for release in host.migrated}


def done(facts: Mapping[str, HostFacts]) -> set[str]:
    """The migrations of these releases, as far as they are kept."""
    releases = migrated(facts)
    return {name for host in facts.values() for release in host.releases if release.id in releases for name in release.migrations}


def ahead(target: str, facts: Mapping[str, HostFacts]) -> str:
    """What a release will meet that does not know it, in words; empty for nothing. Each host's record counts from where the database was
    last migrated by that release."""
    since = {one for host in facts.values() for one in host.migrated[last(host.migrated, target) + 1 :]}
    kept = {release.id: release for host in facts.values() for release in host.releases}
    own = set(kept[target].migrations) if target in kept else set()
    unknown = {name for release in since if release in kept for name in kept[release].migrations} - own
    if unknown:
        return f"the database stays as it is, with what {target} does not know: {named(tuple(sorted(unknown)))}"
    blind = sorted(release for release in since - {target} if release not in kept or not kept[release].migrations)
    return f"the database stays as it is, migrated by {', '.join(blind)} since" if blind else ""


def last(releases: tuple[str, ...], target: str) -> int:
    return releases.index(target) if target in releases else -1


def named(names: tuple[str, ...]) -> str:
    return ", ".join(names[-NAMED:]) + (f" and {len(names) - NAMED} before" if len(names) > NAMED else "")
