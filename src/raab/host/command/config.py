"""`raab config`: the effective settings."""

from __future__ import annotations

import argparse

from raab.factory.configFactory import explain
from raab.host.activation import asofnow


def run(args: argparse.Namespace) -> int:
    """One line a setting: path, value, where it was set; secrets are masked. For root on a server by what a start would get by now."""
    if asofnow.installed():
        print(asofnow.run("config"), end="")
        return 0
    rows = explain()
    path_width = max(len(path) for path, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    for path, value, source in rows:
        print(f"{path:<{path_width}}  {value:<{value_width}}  {source}")
    return 0
