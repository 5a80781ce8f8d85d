"""What is known of each host in the middle of a verb, and what whoever interrupts it is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from raab import exitcodes
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.report.interruption import Interruption
from raab.deploy.report.results import HostReport, Report, Result

# Seconds for an activation to come to its end by itself: the next deploy waits for it.
WAIT_SECONDS = 60


class Standing(Struct, frozen=True):
    """One host. `serves` is the release that serves there, None for nothing; `asked` is false as long as nobody has asked. `doing` is what
    has begun there and ends by itself, in words; `becoming` the release that may serve at its end. `report` is what came of it already."""

    asked: bool = False
    serves: str | None = None
    doing: str = ""
    becoming: str = ""
    report: HostReport | None = None

    @property
    def words(self) -> str:
        if self.becoming and self.becoming != self.serves:
            return f"serves {self.serves or 'nothing'} or {self.becoming}: {self.doing} goes on by itself, and ends on one of them"
        if not self.asked:
            return f"{self.doing} goes on by itself" if self.doing else "serves what it served: it was not asked yet"
        serves = f"serves {self.serves or 'nothing'}"
        if self.doing:
            return f"{serves}: {self.doing} goes on by itself"
        return f"{serves}: {self.report.result}" if self.report else f"{serves}: nothing was changed there"

    @property
    def settled(self) -> bool:
        return not self.doing


def text(interruption: Interruption, environment: Environment, standings: Mapping[str, Standing]) -> str:
    """For people: each host in a line, and what to type next."""
    lines = [f"{interruption.signal}: `{interruption.typed}` ends here, after {interruption.seconds:.1f} s"]
    lines += [f"  {host.name}  {standings[host.name].words}" for host in environment.hosts]
    return "\n".join([*lines, f"next: {advice(interruption, environment, tuple(standings.values()))}", ""])


def advice(interruption: Interruption, environment: Environment, standings: Sequence[Standing]) -> str:
    """What to type next, and why."""
    where = "" if environment.name == "lab" else f" --env {environment.name}"
    status = f"`fab status{where}` shows what each host serves"
    if interruption.verb not in ("deploy", "rollback"):
        return status if not all(one.settled for one in standings) else f"{status}; `{interruption.typed}` does it again"
    waits = "" if all(one.settled for one in standings) or "--wait" in interruption.typed else f" --wait {WAIT_SECONDS}"
    again = f"`{interruption.typed}{waits}` goes on from there"
    switched = any(one.becoming or (one.report and one.report.result in ("deployed", "rolled back")) for one in standings)
    back = f"; `fab rollback{where}{waits}` takes back what was switched" if switched and interruption.verb == "deploy" else ""
    return f"{status}; {again}{back}"


def report(interruption: Interruption, environment: Environment, standings: Mapping[str, Standing]) -> Report:
    """For machines: what is not known is said to be unknown."""
    rows = tuple(row(host, standings[host.name]) for host in environment.hosts)
    return Report(environment.name, interruption.verb, "", exitcodes.INTERRUPTED, rows, interruption.seconds)


def row(host: Host, standing: Standing) -> HostReport:
    if standing.report:
        return standing.report
    known = standing.asked and not standing.becoming
    result: Result = "unknown" if standing.becoming else "untouched"
    release = standing.serves if known else "unknown"
    return HostReport(host.name, host.address, result, release, standing.serves, f"interrupted: {standing.words}")
