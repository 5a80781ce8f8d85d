"""The account's arithmetic, on samples made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from raab.drill.traffic.account import Account, Bucket, Mark, merge
from raab.drill.traffic.values import Client, Kind, Sample


def sample(
    at: float, wait: float = 0.001, kind: Kind = Kind.OK, client: Client = Client.FRESH, label: str = "", planned: float = 0
) -> Sample:  # fmt: skip
    return Sample(client, kind, "127.0.0.1:8000", at, wait + planned, planned, 0.0, label, "")


def test_totals_failures_and_counts() -> None:
    """Every sample counts once, failures by client and kind."""
    account = Account((sample(1), sample(2, kind=Kind.RESET), sample(3, kind=Kind.RESET), sample(4, client=Client.REUSED)))
    assert account.total == 4
    assert [one.at for one in account.failures] == [2, 3]
    assert account.counts == ((Client.FRESH, Kind.OK, 1), (Client.FRESH, Kind.RESET, 2), (Client.REUSED, Kind.OK, 1))


def test_an_empty_account_claims_nothing() -> None:
    """Without requests the bound on the failure rate is one, and nothing divides by zero."""
    account = Account(())
    assert (account.total, account.bound, account.longest, account.percentile(99)) == (0, 1.0, 0.0, 0.0)
    assert (account.slowest, account.timeline(), account.labels) == (None, (), ())
    assert account.line().startswith("0 requests ()")


def test_the_rule_of_three() -> None:
    """Zero failures in N bound the rate by 3/N."""
    assert Account(tuple(sample(at) for at in range(300))).bound == pytest.approx(0.01)


def test_percentiles_are_waits_that_were_measured() -> None:
    """Nearest rank: p50 of 1..100 ms is 50 ms, p100 the slowest; failed requests have no wait."""
    account = Account((*(sample(n, n / 1000) for n in range(1, 101)), sample(0, 9, Kind.TIMED_OUT)))
    assert [account.percentile(p) for p in (0, 50, 99, 99.9, 100)] == [0.001, 0.05, 0.099, 0.1, 0.1]
    assert account.longest == 0.1


def test_planned_time_is_no_waiting_but_keeps_a_request_open() -> None:
    """A 5 s request that took 5.01 s waited 10 ms, and was open during all of it."""
    account = Account((sample(10, 0.01, client=Client.SLOW, planned=5),))
    assert account.longest == pytest.approx(0.01)
    assert account.between(14, 20).total == 1
    assert account.between(15.1, 20).total == 0
    assert account.between(0, 9).total == 0


def test_labels_stand_in_the_order_of_their_first_answer() -> None:
    """A switch reads from left to right."""
    assert Account((sample(3, label="b"), sample(1, label="a"), sample(2, label="a"))).labels == (("a", 2), ("b", 1))


def bucket(at: float, *counted: Any) -> Bucket:
    """About there: hundredths do not add up exactly."""
    moment: Any = pytest.approx(at)
    return Bucket(moment, *counted)


def test_the_time_line_has_a_bucket_for_each_hundredth() -> None:
    """Buckets hold counts, failures and the longest wait by the moment requests were due, and the good answers by that of their end."""
    account = Account((sample(1.001, 0.5), sample(1.009, 0.1, Kind.RESET), sample(1.011)))
    due = (bucket(1.0, 2, 1, 0.5, 0), bucket(1.01, 1, 0, 0.001, 1))
    assert account.timeline() == (*due, bucket(1.5, 0, 0, 0.0, 1))


def test_marks_are_found_by_their_text() -> None:
    """The first mark of a text says when; an unknown one is an error."""
    account = Account((), (Mark(1, "reload begin"), Mark(2, "reload end"), Mark(3, "reload begin")))
    assert account.moment("reload begin") == 1
    with pytest.raises(KeyError):
        account.moment("deploy")


def test_accounts_add_up() -> None:
    """The suite's total is the sum of its loads."""
    assert merge([Account((sample(1),)), Account((sample(2), sample(3)))]).total == 3


def test_the_line_says_what_a_person_wants_to_know() -> None:
    """One line: how many, how many failed and how, how slow, and by whom."""
    account = Account((sample(1, 0.002, label="a"), sample(2, kind=Kind.RESET)))
    assert account.line() == (
        "2 requests (2 fresh); 1 failed (fresh reset 1); "
        "slowest 2.0 ms, p50 2.0 ms, p99 2.0 ms, p99.9 2.0 ms; sender's lag 0.0 ms; answered by a 1"
    )
    assert "0 failed (3/N = 1)" in Account((sample(1),)).line()
