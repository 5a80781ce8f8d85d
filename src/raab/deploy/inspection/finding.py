"""One thing that was looked at on a host."""

from __future__ import annotations

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One check of one host; `cure` is what helps, where it is not well."""

    check: str
    well: bool
    text: str
    cure: str = ""

    @property
    def helps(self) -> str:
        return "" if self.well else self.cure
