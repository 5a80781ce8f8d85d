"""New code under load on a lab host, its import taking two seconds: gunicorn's own HUP, systemctl restart, and raab's reload."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from figures import Series, Table

from raab.drill.stage.service import Service
from raab.drill.traffic.account import Account
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

PORT = 8100
# Before and after the operation at least a thousand requests, for a p99.9 of fewer is but the slowest.
MIX = Mix(fresh=125, reused=125, connections=8)
STEADY, AFTER = 4.5, 5.0
# gunicorn as its documentation has it under systemd, on the same release.
UNIT = f"""\
[Service]
Type=notify
NotifyAccess=main
User=raab
Environment=RAAB_ENVIRONMENT=production
WorkingDirectory=/
ExecStart=/opt/raab/current/venv/bin/python /opt/raab/current/venv/bin/gunicorn --bind=0.0.0.0:{PORT} --workers=2 --worker-class=gevent \
 --keep-alive=75 --no-control-socket --pythonpath=/opt/raab/current/app wsgi:application
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=mixed
"""


@dataclass(frozen=True)
class Way:
    """One way to bring new code into service: which port it serves, and what is typed."""

    name: str
    port: int
    command: str


WAYS = (
    Way("gunicorn, kill -HUP", PORT, "systemctl reload plain"),
    Way("gunicorn, systemctl restart", PORT, "systemctl restart plain"),
    Way("raab, systemctl reload", 8000, "systemctl reload raab"),
)


def measure(service: Service, rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
    """Each way in turn, as often as told; traffic from before the operation until its workers have long been there."""
    service.shell.put("/etc/systemd/system/plain.service", UNIT)
    service.run("systemctl daemon-reload; systemctl start plain; sleep 2")
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for way in WAYS:
            account = through(service, way)
            say(f"  {way.name}: {account.line()}")
            for name, value in figures(account).items():
                found.setdefault(f"{way.name}, {name}", []).append(value)
    service.run("systemctl stop plain; rm /etc/systemd/system/plain.service; systemctl daemon-reload")
    units = {"failed": "of all", "requests": "requests"}
    return {name: Series(units.get(name.rpartition(", ")[2], "ms"), tuple(values)) for name, values in found.items()}


def through(service: Service, way: Way) -> Account:
    with Load([(service.address[0], way.port)], MIX) as load:
        time.sleep(STEADY)
        load.mark("typed")
        service.run(way.command)
        # A HUP returns at once; the import takes two seconds, and the old workers a while to leave.
        time.sleep(AFTER)
    return load.account


def figures(account: Account) -> dict[str, float]:
    """`added p99.9` is the wait of the slowest in a thousand during the operation, less that in steady state before it."""
    typed = account.moment("typed")
    before, during = account.between(0, typed), account.between(typed, typed + 1e6)
    return {
        "requests": account.total, "failed": len(account.failures), "slowest": during.longest * 1000,
        "added p99.9": (during.percentile(99.9) - before.percentile(99.9)) * 1000,
    }  # fmt: skip


def table(measured: dict[str, Series]) -> Table:
    ours = measured[f"{WAYS[-1].name}, slowest"]
    rows = []
    for way in WAYS:
        one = {name: measured[f"{way.name}, {name}"] for name in ("requests", "failed", "slowest", "added p99.9")}
        sent, failed = sum(one["requests"].values), sum(one["failed"].values)
        lost = f"{failed:.0f} of {sent:,.0f}" + ("" if failed else f" (3/N = {3 / sent:.1e})")
        rows.append((way.name, one["slowest"].ratio(ours), one["slowest"].text(0), one["added p99.9"].text(0), lost))
    title = f"New code under {MIX.fresh + MIX.reused:.0f} requests/s, import 2 s, two workers (medians, min-max)"
    return Table(title, ("", "slowest, of raab's", "slowest request", "added p99.9", "failed"), tuple(rows))
