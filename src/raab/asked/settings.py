"""`raab settings`: what an activation has to know of the release's settings, as JSON (raab.host.answers.settings reads it)."""

from __future__ import annotations

import argparse
import json

from raab.factory.configFactory import load_settings


def run(args: argparse.Namespace) -> int:
    """Where the service will listen, and for how many seconds it may load. Raises ConfigError with everything that is wrong."""
    server = load_settings().server
    print(json.dumps({"bind": list(server.bind), "admin_port": server.admin_port, "load_timeout": server.load_timeout}))
    return 0
