"""`raab config`: the effective settings."""

from __future__ import annotations

import argparse
import os

from raab.asked.given import with_given
from raab.factory.configFactory import explain, load_settings


def run(args: argparse.Namespace) -> int:
    """One line a setting: path, value, where it was set; then the variables that the host adds, and the secrets. These are masked."""
    rows = list(with_given(explain(), load_settings().project.secrets, os.environ))
    path_width = max(len(path) for path, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    for path, value, source in rows:
        print(f"{path:<{path_width}}  {value:<{value_width}}  {source}")
    return 0
