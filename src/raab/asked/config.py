"""`raab config`: the effective settings."""

from __future__ import annotations

import argparse

from raab.factory.configFactory import explain


def run(args: argparse.Namespace) -> int:
    """One line a setting: path, value, where it was set; secrets are masked."""
    rows = explain()
    path_width = max(len(path) for path, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    for path, value, source in rows:
        print(f"{path:<{path_width}}  {value:<{value_width}}  {source}")
    return 0
