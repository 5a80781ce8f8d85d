"""What an activation's requests are known by (raab.web.edge.proof): made for it alone, and gone with it. Standard library only."""

from __future__ import annotations

import grp
import os

from raab.host.paths import Paths


class Token:
    """The `text` is for the service to read and for nobody else, in a folder where only root may write."""

    def __init__(self, paths: Paths) -> None:
        self.text = os.urandom(32).hex()
        self._file = paths.token
        self._user = paths.user

    def publish(self) -> None:
        """From now on the service knows it. Where the service's group is still to be made, this is called again then."""
        part = self._file.with_name(self._file.name + ".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, self.text.encode())
            os.fchown(descriptor, -1, _group(self._user))
            os.fchmod(descriptor, 0o640)
        finally:
            os.close(descriptor)
        part.replace(self._file)

    def withdraw(self) -> None:
        """Nobody is told any more."""
        self._file.unlink(missing_ok=True)


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return -1
