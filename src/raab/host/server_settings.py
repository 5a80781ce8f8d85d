"""`raab server-settings`: what gunicorn.py asks for, in a process of its own so that gunicorn's master never holds raab."""

from __future__ import annotations

import argparse
import sys

import msgspec

from raab.factory.configFactory import load_settings


def run(args: argparse.Namespace) -> int:
    """Print the `server` section. Raises ConfigError."""
    sys.stdout.write(as_json() + "\n")
    return 0


def as_json() -> str:
    """The `server` section as JSON. Raises ConfigError."""
    return msgspec.json.encode(load_settings().server).decode()
