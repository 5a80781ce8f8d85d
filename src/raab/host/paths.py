"""Where everything of raab stands on a host: the one module that knows (DESIGN section 5).

Standard library only: it also travels to hosts that have no raab yet.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

RELEASE_ID = re.compile(r"\A[0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}(-dirty)?\Z")
UNIT = "raab.service"
USER = "raab"
ACTIVATION_UNIT = "raab-activate.service"


class Paths(NamedTuple):
    """The places of one service on one host. The fields are its name and the roots; tests point them into a directory of their own."""

    root: Path = Path("/opt/raab")
    etc: Path = Path("/etc")
    run: Path = Path("/run/raab-deploy")
    bin: Path = Path("/usr/local/bin")
    name: str = "raab"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def cache(self) -> Path:
        """Parts that were sent, each in a directory named by its SHA-256."""
        return self.root / "cache" / "parts"

    @property
    def templates(self) -> Path:
        """Virtual environments with the dependencies of one lock, which releases are hard-linked from."""
        return self.root / "cache" / "venvs"

    @property
    def tools(self) -> Path:
        return self.root / "cache" / "tools"

    @property
    def journal(self) -> Path:
        """One JSON line for each activation. Not in the service's own directory: root must not write where the service may."""
        return self.root / "journal.jsonl"

    @property
    def roots_own(self) -> Path:
        """Root's program, as the last deploy or rollback has sent it: by no path through a release."""
        return self.bin.with_name("lib") / self.name

    @property
    def configuration(self) -> Path:
        return self.etc / self.name

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def request(self) -> Path:
        """What the activation now running was asked to do."""
        return self.run / "request.json"

    @property
    def events(self) -> Path:
        """What that activation has to tell, one JSON line each; the last one is its verdict."""
        return self.run / "events.jsonl"

    @property
    def token(self) -> Path:
        """By which the service knows the requests of the activation now running. Beside its own runtime directory, not in it."""
        return self.run.with_name(f"{self.name}-proof")

    def release(self, release_id: str) -> Path:
        """The directory of a release. Raises ValueError for a name that is not a release id, so that none can lead elsewhere."""
        if not RELEASE_ID.match(release_id):
            raise ValueError(f"not a release id: {release_id!r}")
        return self.releases / release_id

    def manifest(self, release_id: str) -> Path:
        """Written last: a release directory without it is an interrupted one."""
        return self.release(release_id) / "manifest.json"


def template_name(lock_sha256: str, python: str, machine: str) -> str:
    """The name of the template for one lock and one interpreter: `<SHA-256 of the lock>-cp311-x86_64`."""
    major, minor = python.split(".")[:2]
    return f"{lock_sha256}-cp{major}{minor}-{machine}"
