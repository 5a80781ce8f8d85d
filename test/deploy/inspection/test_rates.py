"""Rates of a fleet from what its workers have counted at two moments."""

from __future__ import annotations

from pathlib import Path

from raab.deploy.inspection.rates import Counted, Rates, between, cells, rates
from raab.host.master import counters
from raab.host.paths import Paths
from raab.metrics.slot import Slot
from raab.protocol.service import Traffic

NONE = (0,) * 12


def test_what_workers_count_is_told_of_clients_alone(tmp_path: Path) -> None:
    """Not of who asks for health; an error is what has a 5xx status."""
    (tmp_path / "raab").mkdir()
    paths = Paths("raab", run=tmp_path)
    assert counters.traffic(paths)[1:] == (0, NONE)
    slot = Slot(paths.runtime / "metrics")
    for route, status, seconds in (("/", 200, 0.001), ("/", 500, 0.2), ("/a", 404, 30.0), ("/livez", 200, 0.001), ("/readyz", 503, 0.001)):
        slot.observe("GET", route, status, seconds, 1)
    told = counters.traffic(paths)
    assert told.errors == 1 and told.buckets == (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1)


def test_rates_are_of_the_time_between_two_looks() -> None:
    before = Traffic(100.0, 3, (900, 50, *NONE[2:]))
    one = between(before, Traffic(102.0, 5, (997, 52, 1, *NONE[3:])))
    assert one == Counted(2.0, 100, 2, (97, 2, 1, *NONE[3:]))
    assert rates([one]) == Rates(50.0, 1.0, 0.01)
    assert rates([one]).told() == {"requests_per_second": 50.0, "errors_per_second": 1.0, "p99_seconds": 0.01}
    assert cells(rates([one])) == ("50.0", "< 10 ms", "2.00%")


def test_what_cannot_be_compared_has_no_rate() -> None:
    """A service that counts anew, a host that says what is none."""
    look = Traffic(1.0, 1, (5, *NONE[1:]))
    assert between(look, Traffic(2.0, 0, (6, *NONE[1:]))) is None
    assert between(look, Traffic(2.0, 1, NONE)) is None
    assert between(look, look) is None
    assert between(look, Traffic(2.0, 1, (5,))) is None
    assert cells(None) == ("-", "-", "-")


def test_a_total_is_of_all_requests_and_not_of_all_hosts() -> None:
    """One slow host with little traffic is not what clients see; beyond the last bound nothing is known."""
    fast, slow = Counted(2.0, 999, 0, (999, *NONE[1:])), Counted(1.0, 1, 1, (*NONE[:-1], 1))
    assert rates([fast, slow]) == Rates(500.5, 1.0, 0.005)
    assert cells(rates([slow])) == ("1.0", "> 10 s", "100.00%")
    assert rates([slow]).told()["p99_seconds"] is None
    assert cells(rates([Counted(1.0, 0, 0, NONE)])) == ("0.0", "-", "0")
