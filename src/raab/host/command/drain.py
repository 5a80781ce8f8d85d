"""`raab drain` and `raab undrain`: /readyz says 503 and 200 again, and the load balancer goes and comes; requests are served all along."""

from __future__ import annotations

import argparse

from raab.host import draining
from raab.host.paths import Paths


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Leave the mark, or take it away; `args.verb` says which. Raises RaabError when the service is not there or not ours."""
    if args.verb == "drain":
        draining.drain(paths)
        print("draining: /readyz says 503, requests are still served")
    else:
        draining.undrain(paths)
        print("serving: /readyz says what the modules say")
    return 0
