"""A host out of the load balancer's pool and back in it, as a deployer asks for it. Standard library only."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException

from raab import exitcodes
from raab.errors import RaabError
from raab.host import draining
from raab.host.master.counters import counted, of_clients
from raab.host.paths import Paths
from raab.plain import plain
from raab.protocol.answers import Timed

STEP_SECONDS = 0.2
# Beyond the time without a request that is asked for: as long as a balancer may take to notice.
NOTICING_SECONDS = 60.0
READY_SECONDS = 60.0
ANSWER_SECONDS = 5.0


def leave(paths: Paths, quiet: float) -> Timed:
    """Have /readyz say 503, and return when no client has begun a request for `quiet` seconds: then nobody sends any more. What is in
    flight goes on; whatever is done to the service next waits for it.

    Raises RaabError, the host being in the pool again, where requests still come; and where it is drained already, which is somebody's own.
    """
    if paths.drained.is_file():
        hint = f"`{paths.typed} undrain` on the host brings it back; --hosts leaves it out"
        raise RaabError("drain: the host is drained already, by somebody", hint, exitcodes.REFUSED)
    began = since = time.monotonic()
    draining.drain(paths)
    try:
        seen = begun(paths)
        while (now := time.monotonic()) - since < quiet:
            if now - began > quiet + NOTICING_SECONDS:
                problem = f"drain: requests still come after {now - began:.0f} s, although /readyz says 503"
                hint = (
                    "is there a load balancer in front that asks /readyz? Without one, `fab restart` lets connections wait and refuses none"
                )
                raise RaabError(problem, hint, exitcodes.REFUSED)
            time.sleep(STEP_SECONDS)
            if (count := begun(paths)) != seen:
                seen, since = count, time.monotonic()
    except BaseException:
        # Whoever asked for it may be gone as well; nobody else would bring it back.
        draining.undrain(paths)
        raise
    return Timed(time.monotonic() - began)


def begun(paths: Paths) -> int:
    """How many requests clients have begun, answered or not. Whoever only asks for health is none."""
    reading = counted(paths)
    return reading.in_flight + sum(of_clients(reading).buckets)


def come_back(paths: Paths) -> Timed:
    """Take the mark away, and return when the service wants traffic. Raises RaabError with its reasons where it does not, in a minute."""
    began = time.monotonic()
    draining.undrain(paths)
    while why := unready(paths):
        if time.monotonic() - began > READY_SECONDS:
            problem = f"readiness: /readyz says 503 {READY_SECONDS:.0f} s after the start, got {why}"
            raise RaabError(problem, f"journalctl -u {paths.name} on the host says more", exitcodes.FAILED)
        time.sleep(STEP_SECONDS)
    return Timed(time.monotonic() - began)


class Admin(HTTPConnection):
    """To the admin socket."""

    def __init__(self, paths: Paths) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self.path = str(paths.admin)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self.path)


def unready(paths: Paths) -> str:
    """Why the service does not want traffic, by its own word; empty where it does."""
    connection = Admin(paths)
    try:
        connection.request("GET", "/readyz?verbose")
        answer = connection.getresponse()
        said = answer.read(10_000).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"no answer at the admin socket ({error})"
    finally:
        connection.close()
    return "" if answer.status == 200 else plain("; ".join(said.split("\n")[:-2]) or f"status {answer.status}", 500)
