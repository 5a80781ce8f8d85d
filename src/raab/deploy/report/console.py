"""How the verbs talk: to people with rich where there is a terminal, in plain lines where there is none."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Sequence


class Console:
    """Progress goes to stderr, so that stdout stays what was asked for."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.began = time.monotonic()
        self.guard = threading.Lock()

    def progress(self, host: str, text: str) -> None:
        if self.quiet:
            return
        with self.guard:
            print(f"{time.monotonic() - self.began:6.2f}  {host:<12}  {text}", file=sys.stderr, flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        rows = [tuple(row) for row in rows]
        widths = [max(len(row[number]) for row in (columns, *rows)) for number in range(len(columns))]
        if sys.stdout.isatty():
            # Imported only where it shows something.
            from rich.console import Console as Rich
            from rich.table import Table

            table = Table(*columns, box=None, header_style="bold")
            for row in rows:
                table.add_row(*(colour(cell) for cell in row))
            # Wider than the terminal rather than cut: what tells two releases apart is the end of their ids.
            Rich(width=max(Rich().width, sum(widths) + 2 * len(widths))).print(table)
            return
        for row in (columns, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


COLOURS = {
    "deployed": "green",
    "rolled back": "green",
    "active": "green",
    "serving": "green",
    "unchanged": "dim",
    "failed": "red",
    "stranded": "bold red",
    "refused": "red",
    "unreachable": "red",
    "unknown": "red",
    "reverted": "yellow",
}


def colour(cell: str) -> str:
    from rich.markup import escape

    return f"[{COLOURS[cell]}]{cell}[/]" if cell in COLOURS else escape(cell)
