"""What a person wants to know before saying yes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone

from raab.deploy.bundle.parts import Bundle
from raab.deploy.plan.facts import HostFacts
from raab.host.paths import UNIT_FILE
from raab.host.renewal.pending import lines
from raab.protocol import edge, processes


def ahead(facts: HostFacts, taker: str) -> tuple[str, ...]:
    """What is said of the next start of what the host runs, as `raab check` says it there; `taker` is what takes up what is pending."""
    if facts.ahead is None:
        return ()
    problem = [line for line in (*facts.ahead.problem.splitlines(), f"hint: {facts.ahead.hint}" if facts.ahead.hint else "") if line]
    first = [f"a start of what is there would fail: {line}" for line in problem[:1]]
    return (*lines(facts.ahead.pending, taker), *first, *problem[1:])


def maintained(facts: HostFacts) -> tuple[str, ...]:
    """That its edge gives a page in the place of the service, whatever serves."""
    return ("maintenance is on, and stays on; `fab maintenance off` ends it",) if facts.maintenance else ()


def beside(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """What becomes of processes and timers, by the line that tells of each."""
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{name} begins: {new[name]}"
        elif name not in new:
            yield f"{name} ends: {old[name]}"
        elif old[name] != new[name]:
            yield f"{name} changes: {old[name]} -> {new[name]}"


def domains(old: str, new: str) -> Iterator[str]:
    """What becomes of them, by the line that tells of each release's."""
    if old != new:
        yield f"domains: {old or 'none'} -> {new or 'none'}" if old else f"domains: {new}"


def changes(bundle: Bundle, facts: HostFacts) -> tuple[str, ...]:
    """What a person wants to know before saying yes."""
    told = []
    running = facts.release(facts.current)
    if running is None:
        told.append("first deploy: prepares the host (user, directories, units)")
    else:
        if facts.commit(running) != bundle.commit:
            told.append(f"commit {facts.commit(running)[:7] or 'unknown'} -> {bundle.commit[:7] or 'unknown'}")
        if running.lock != bundle.lock:
            told.append("dependencies change")
    units = {f"{bundle.service}.service": part.sha256 for part in bundle.parts if part.name == f"systemd/{UNIT_FILE}"}
    changed = sorted(name for name, sha256 in units.items() if name in facts.units and facts.units[name] != sha256)
    if changed:
        told.append(f"units change: {', '.join(changed)}")
    told += domains(running.edge if running else "", edge.told(bundle.edge))
    told += beside(running.beside if running else {}, processes.table(json.loads(bundle.manifest)).told)
    if facts.lock:
        since = datetime.fromtimestamp(facts.lock.since, timezone.utc)
        told.append(f"locked: by {facts.lock.who} from {facts.lock.machine} since {since:%H:%M:%SZ}, for {facts.lock.what}")
    elif facts.activating:
        told.append("locked: an activation is at work whose deployer has gone")
    broken = [release.id for release in facts.releases if not release.complete]
    if broken:
        told.append(f"interrupted before: {', '.join(broken)}")
    return tuple(told)
