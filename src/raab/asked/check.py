"""`raab check`: could the service start as it is configured?"""

from __future__ import annotations

import argparse

from gevent import monkey

from raab.asked.loading import load_and_tell
from raab.factory.configFactory import load_settings
from raab.launch import take
from raab.served.build import build
from raab.served.place import enter


def run(args: argparse.Namespace) -> int:
    """Say so when it could, and how its workers would get the application, by the variables of this process.

    Whether the addresses can be had is for root to look at (raab.host.address.addresses).

    Raises ConfigError with everything that is wrong, RaabError for a module or mount that cannot be used.
    """
    settings = load_settings()
    monkey.patch_all()
    take()
    enter(settings.project.python_path)
    _, how = load_and_tell(settings.server, lambda: build(settings))
    print(f"the configuration is valid and every module loads (environment {settings.environment})")
    print(how)
    return 0
