"""`raab check`: is the configuration right?"""

from __future__ import annotations

import argparse

from raab.factory.configFactory import load_settings


def run(args: argparse.Namespace) -> int:
    """Say so when it is. Raises ConfigError with everything that is wrong."""
    settings = load_settings()
    print(f"the configuration is valid (environment {settings.environment})")
    return 0
