"""What is told of a host's edge, and what is judged of it."""

from __future__ import annotations

import pytest

from raab.deploy.inspection import edges
from raab.protocol.service import DomainRow, EdgeRow

DAY = 86_400.0
NOW = 100 * DAY


def test_nothing_is_told_of_a_service_without_an_edge() -> None:
    assert edges.rows("web1", None, NOW) == [] and edges.findings(None, NOW) == ()


@pytest.mark.parametrize(
    ("state", "since", "until", "why"),
    [
        ("active", -10, 80, ""),
        ("active", -75, 15.1, ""),
        ("active", -76, 14, "not renewed, over at"),
        ("active", -90, -1, "over since"),
        ("failed", -10, 80, "failed"),
    ],
)
def test_a_certificate_is_judged_by_its_own_life(state: str, since: float, until: float, why: str) -> None:
    """One of a day is as late in its last hours as one of three months is in its last fortnight."""
    for life in (1, 1 / 180):
        edge = EdgeRow(state, (DomainRow("a.example", NOW + since * life * DAY, NOW + until * life * DAY),))
        (found,) = edges.findings(edge, NOW)
        assert found.well == (not why) and why in found.text


def test_a_domain_without_a_certificate_is_named() -> None:
    edge = EdgeRow("active", (DomainRow("a.example"),))
    (found,) = edges.findings(edge, NOW)
    assert not found.well and "a.example: none yet" in found.text
    assert edges.rows("web1", edge, NOW) == [("web1", "a.example", "active", "none yet")]
