"""`raab drain` and `raab undrain`: /readyz says 503 and 200 again, and the load balancer goes and comes; requests are served all along."""

from __future__ import annotations

import argparse
import os

from raab.errors import RaabError
from raab.host.paths import Paths


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Leave the mark, or take it away; `args.verb` says which. Raises RaabError when the service is not there or not ours."""
    folder = paths.runtime
    mark = folder / "drain"
    try:
        if args.verb == "undrain":
            mark.unlink(missing_ok=True)
        elif not mark.is_file() or mark.is_symlink():
            # The service's own user may write there too: nothing that it could have put in the place is followed or overwritten.
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
    except PermissionError as error:
        raise RaabError(f"{mark}: not yours to write", f"use sudo, or become the user {paths.user}", 2) from error
    except FileNotFoundError as error:
        raise RaabError(f"{folder}: is not there, so the service is not running", f"systemctl status {paths.name}", 3) from error
    except OSError as error:
        raise RaabError(
            f"{mark}: is there, but is no mark of raab's, got {error.strerror}", f"see what ls -l {mark} says, and remove it"
        ) from error
    print("draining: /readyz says 503, requests are still served" if args.verb == "drain" else "serving: /readyz says what the modules say")
    return 0
