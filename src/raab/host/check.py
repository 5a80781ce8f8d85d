"""`raab check`: could the service start as it is configured?"""

from __future__ import annotations

import argparse

from raab import create_app
from raab.factory.configFactory import load_settings


def run(args: argparse.Namespace) -> int:
    """Say so when it could. Raises ConfigError with everything that is wrong, RaabError for a module or mount that cannot be used."""
    settings = load_settings()
    create_app(settings)
    print(f"the configuration is valid and every module loads (environment {settings.environment})")
    return 0
