"""What is well with a host and what is not. Pure: from what the host told to findings."""

from __future__ import annotations

from collections.abc import Mapping

from raab.deploy.inspection import besides, edges, outlook
from raab.deploy.inspection.finding import Finding
from raab.deploy.plan.deploy import MARGIN, MIB
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.fit import OLDEST_SYSTEMD
from raab.host.paths import RAAB, Paths
from raab.host.renewal.pending import lines
from raab.protocol.facts import Ahead
from raab.protocol.service import Examined, Own

LAG_SECONDS = 2.0
# A deploy with changed dependencies needs about this much, with uv and a second environment (raab.deploy.plan.deploy).
ROOM = 200 * MIB + MARGIN
FEWEST_INODES = 10_000


def findings(facts: HostFacts, lag: float, told: Examined, ahead: Ahead | None = None, service: str = RAAB) -> tuple[Finding, ...]:
    """All checks, in a fixed order. `lag` is how many seconds the host's clock is ahead; `told` the answer to `examine`, `ahead` what it
    says of the next start of the service, if it knows."""
    paths = Paths(service)
    versions = f"{facts.system}, Python {facts.python}, systemd {facts.systemd}, {facts.libc}"
    found = [
        Finding("versions", facts.systemd >= OLDEST_SYSTEMD, versions, f"upgrade the host: systemd {OLDEST_SYSTEMD} or newer"),
        disk(facts),
        *outlook.places(told.places),
        Finding(
            "clock", abs(lag) <= LAG_SECONDS, f"{lag:+.1f} s against this machine", "timedatectl set-ntp true, on the one that is wrong"
        ),
        Finding("lock", not facts.activating, lock(facts), f"journalctl -u {paths.activation_unit} says where it is; fab unlock"),
    ]
    if facts.current is None:
        return (*found, *edges.findings(told.edge, facts.time), Finding("release", True, "none here" if told.edge else "none yet"))
    broken = [release.id for release in facts.releases if not release.complete]
    return (
        *found,
        release(facts),
        outlook.drained(told.drained, paths.typed),
        Finding("leftovers", not broken, f"interrupted: {', '.join(broken)}" if broken else "none", "the next deploy removes them"),
        Finding("files", not told.drift, "; ".join(told.drift[:3]) or "as installed", "fab deploy of the same mends them"),
        outlook.kept(told.kept),
        Finding("root's program", not told.program, "; ".join(told.program[:3]) or "as installed", "fab deploy --restart installs it anew"),
        units(facts, told.units),
        outlook.left(told.left),
        *outlook.interpreter(told.interpreter),
        workers(told.raab, told.trouble, paths.typed),
        *besides.findings(told),
        *edges.findings(told.edge, facts.time),
        *strays(told.raab),
        *next_start(ahead, paths.typed),
    )


def disk(facts: HostFacts) -> Finding:
    inodes = "" if facts.inodes_free is None else f", {facts.inodes_free} inodes"
    text = f"{facts.disk_free / MIB:.0f} of {facts.disk_total / MIB:.0f} MiB free{inodes}"
    well = facts.disk_free > ROOM and (facts.inodes_free is None or facts.inodes_free > FEWEST_INODES)
    return Finding("disk", well, text, "make room below /opt; a smaller `keep` in the environment's file keeps fewer releases")


def next_start(ahead: Ahead | None, command: str = RAAB) -> tuple[Finding, ...]:
    """As `raab check` says it on the host. What is only pending is no illness."""
    if ahead is None:
        return ()
    if ahead.problem:
        return (
            Finding("next start", False, "; ".join(ahead.problem.splitlines()), ahead.hint or f"{command} check, on the host, says more"),
        )
    return (Finding("next start", True, "; ".join(lines(ahead.pending, "fab reload")) or "as it serves now"),)


def lock(facts: HostFacts) -> str:
    if facts.lock:
        return f"held by {facts.lock.who} from {facts.lock.machine}, for {facts.lock.what}"
    return "an activation is at work" if facts.activating else "free"


def release(facts: HostFacts) -> Finding:
    verdict = facts.verdicts.get(facts.current or "", "unknown")
    state = facts.service.get("ActiveState", "unknown")
    well = facts.release(facts.current) is not None and verdict == "serving" and state == "active"
    return Finding(
        "release", well, f"{facts.current}: verdict {verdict}, service {state}", "fab logs says why; fab deploy, or fab rollback"
    )


def units(facts: HostFacts, wanted: Mapping[str, str]) -> Finding:
    differ = sorted(name for name, sha256 in wanted.items() if facts.units.get(name) != sha256)
    reload = facts.service.get("NeedDaemonReload") == "yes"
    text = "those of the release"
    if reload:
        text = "systemd has not read them"
    if differ:
        text = f"not those of the release: {', '.join(differ)}"
    return Finding(
        "units", not differ and not reload, text, "fab deploy installs those of its release" if differ else "systemctl daemon-reload"
    )


def workers(status: Own, trouble: str, command: str) -> Finding:
    if not status.said:
        reason = f", got {' '.join(trouble.split())}" if trouble else ""
        return Finding("workers", False, f"the service does not answer `{command} status`{reason}", "fab logs says why; fab restart")
    text = f"{status.serving} serve, {status.target} wanted"
    return Finding("workers", status.serving == status.target, text, "wait for a moment, then see fab logs")


def strays(status: Own) -> tuple[Finding, ...]:
    """Processes of the service that are nobody's; of a release that does not tell of them there is nothing to find."""
    if status.strays is None:
        return ()
    found = [f"{stray.pid} ({stray.name})" for stray in status.strays]
    text = f"nobody's: {', '.join(found[:5])}" if found else "each is somebody's"
    return (Finding("processes", not found, text, "`fab restart` ends them (readme, After an intrusion)"),)
