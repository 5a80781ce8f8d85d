"""What came of an operation on an environment's hosts, for people and for machines."""

from __future__ import annotations

import json
from typing import Literal

from msgspec import Struct, to_builtins

from raab.deploy.report.comparison import Comparison
from raab.protocol.answers import Probe

Result = Literal["deployed", "rolled back", "unchanged", "failed", "reverted", "refused", "unreachable", "untouched", "stranded", "unknown"]


class HostReport(Struct, frozen=True):
    """One host's outcome. Times in seconds, `sent` in bytes over the connection; `channels` counts its SSH channels; `strays` are processes
    of the service that are nobody's (raab.host.master.strays), a line each. `release` is what the host serves now: None for nothing, the
    word unknown for one that gave no answer."""

    name: str
    address: str
    result: Result
    release: str | None = None
    previous: str | None = None
    reason: str = ""
    hint: str = ""
    seconds: float = 0.0
    stage_seconds: float = 0.0
    sent: int = 0
    channels: int = 0
    probe: Probe = Probe()
    strays: tuple[str, ...] = ()


class Migrated(Struct, frozen=True):
    """What became of the database: by a command on one host, with what it printed. `pending` is what was new to it, as far as that was
    known before."""

    host: str
    command: str
    pending: tuple[str, ...] = ()
    seconds: float = 0.0
    output: tuple[str, ...] = ()
    failed: bool = False


class Report(Struct, frozen=True):
    """One operation, one verdict, one exit code. `migrated`: what became of the database, `canary`: how it compared, if it came to
    that."""

    environment: str
    operation: str
    release: str
    exit_code: int
    hosts: tuple[HostReport, ...]
    seconds: float = 0.0
    migrated: Migrated | None = None
    canary: Comparison | None = None

    def json(self) -> str:
        return json.dumps({**to_builtins(self), "hosts": [{**to_builtins(host), "probe": host.probe._asdict()} for host in self.hosts]})


COLUMNS = ("host", "address", "result", "release", "from", "seconds", "requests", "failed", "slowest")


def row(host: HostReport) -> tuple[str, ...]:
    probed = (str(host.probe.sent), str(host.probe.failed), f"{host.probe.slowest * 1000:.0f} ms") if host.probe.sent else ("-", "-", "-")
    return (host.name, host.address, host.result, host.release or "-", host.previous or "-", f"{host.seconds:.2f}", *probed)


def migrated(what: Migrated, exit_code: int) -> str:
    """What became of the database, in lines."""
    if what.failed:
        stays = "what it had done by then stays unless it took that back itself"
        return f"\nthe database: `{what.command}` has failed on {what.host}; {stays}"
    stays = "; it stays so, though the release does not serve everywhere" if exit_code else ""
    return f"\nthe database was migrated on {what.host} in {what.seconds:.1f} s{stays}"


def summary(report: Report) -> str:
    """The one sentence at the end."""
    counts = {result: sum(host.result == result for host in report.hosts) for result in dict.fromkeys(host.result for host in report.hosts)}
    told = ", ".join(f"{count} {result}" for result, count in counts.items())
    sent = sum(host.probe.sent for host in report.hosts)
    failed = sum(host.probe.failed for host in report.hosts)
    # Beside every zero stands what it bounds: with none of N failed, the rate is below 3/N (rule of three).
    bound = f", rate below {min(3 / sent, 1):.2%}" if sent and not failed else ""
    probed = f"; {failed} of {sent} requests across the switch failed{bound}" if sent else ""
    if set(counts) == {"unchanged"}:
        told = "nothing changes"
    return f"{report.operation} {report.environment}: {told} in {report.seconds:.1f} s{probed}"
