"""docs/cases.md is what the table would be printed as."""

from __future__ import annotations

from . import page
from .table import TABLE


def test_the_page_is_that_of_the_table() -> None:
    """Every case, as it stands in the table, with the traffic of the last whole run; none lost a request."""
    text = page.PAGE.read_text()
    traffic = page.traffic_of(text)
    assert text == page.printed(TABLE, traffic), "docs/cases.md is not of this table: make cases"
    assert len(TABLE) >= 60 and len({page.key(case) for case in TABLE}) == len(TABLE)
    assert all(sent.sent > 0 and sent.lost == 0 for sent in traffic.values())
