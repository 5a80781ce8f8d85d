"""`raab server-settings`: what gunicorn.py asks for, in a process of its own so that gunicorn's master never holds raab."""

from __future__ import annotations

import argparse
import sys

import msgspec

from raab.factory.configFactory import load_settings


def run(args: argparse.Namespace) -> int:
    """Print the `server` section as JSON. Raises ConfigError."""
    sys.stdout.write(msgspec.json.encode(load_settings().server).decode() + "\n")
    return 0
