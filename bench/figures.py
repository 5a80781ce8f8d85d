"""Measured series and how they are told: ratios first, absolute figures second, noise shown."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """Repeated measurements of one thing, in one unit."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self, digits: int = 2) -> str:
        """The median, with the smallest and the largest beside it."""
        # Added to nothing, a rounded zero loses its minus.
        median, least, most = (f"{round(value, digits) + 0.0:,.{digits}f}" for value in (self.median, min(self.values), max(self.values)))
        return f"{median} ({least} to {most}) {self.unit}"

    def ratio(self, other: Series) -> str:
        """How many times the other's median this one's is."""
        return f"{self.median / other.median:.2f} x" if other.median else "-"


@dataclass(frozen=True)
class Table:
    """One comparison, ready to be printed."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        widths = [max(len(row[number]) for row in (self.columns, *self.rows)) for number in range(len(self.columns))]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (self.columns, *self.rows)
        )
        return "\n".join([self.title, *lines, ""])


def document(series: dict[str, Series]) -> dict[str, object]:
    """For machines: every value, not only the median."""
    return {name: {"unit": one.unit, "median": one.median, "values": list(one.values)} for name, one in series.items()}
