"""What hosts' edges do for a service, as rows of a table and as a doctor's findings. Pure."""

from __future__ import annotations

from raab.deploy.inspection.besides import when
from raab.deploy.inspection.finding import Finding
from raab.host.paths import EDGE
from raab.protocol.service import DomainRow, EdgeRow

POOL_COLUMNS = ("edge", "host of the service", "state")
COLUMNS = ("host", "domain", "edge", "certificate until")
# Caddy renews a certificate when a third of its life is left. One with less than this share of it has been tried again and again.
LATE = 1 / 6


def rows(host: str, edge: EdgeRow | None, now: float) -> list[tuple[str, ...]]:
    """`now` in seconds since the epoch."""
    if edge is None:
        return []
    state = edge.state + (", maintenance" if edge.maintenance else "")
    return [(host, one.domain, state, trouble(one, now) or when(one.until)) for one in edge.domains]


def pool(host: str, edge: EdgeRow | None) -> list[tuple[str, ...]]:
    """Of an edge for other hosts: where the service answers, and whether it gets requests there."""
    return [(host, one.address, "in the pool" if one.ready else f"out: {one.why}") for one in edge.pool] if edge else []


def findings(edge: EdgeRow | None, now: float) -> tuple[Finding, ...]:
    """Whether it runs, and each certificate is good for a while; nothing of a service without an edge."""
    if edge is None:
        return ()
    bad = [f"{one.domain}: {why}" for one in edge.domains if (why := trouble(one, now))]
    bad += [f"{one.address} is out of the pool: {one.why}" for one in edge.pool if not one.ready]
    told = [edge.state, *(["maintenance is on"] if edge.maintenance else [])]
    text = "; ".join([*told, *(bad[:5] or [f"{len(edge.domains)} domains with good certificates"])])
    return (Finding("edge", edge.state == "active" and not bad, text, f"journalctl -u {EDGE}, on the host, says why"),)


def trouble(one: DomainRow, now: float) -> str:
    """What is wrong with a domain's certificate, in words; empty for nothing."""
    if not one.until:
        return "none yet"
    if now > one.until:
        return f"over since {when(one.until)}"
    return f"not renewed, over at {when(one.until)}" if one.until - now < LATE * (one.until - one.since) else ""
