"""What several rooms need: Debian's HAProxy and nginx, of which nothing is installed, enabled or stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = ("haproxy", "nginx")


class Missing(Exception):
    """A proxy cannot be had here, and why."""


class Programs:
    """Where the proxies' programs are: those of this machine, or Debian's packages, unpacked into `folder`. Raises Missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not all(map(self.find, PACKAGES)):
            self._unpack()
        missing = [name for name in PACKAGES if not self.find(name)]
        if missing:
            raise Missing(f"{' and '.join(missing)}: not in what apt-get downloaded")

    def find(self, name: str) -> str | None:
        return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:{self.folder}/usr/sbin")

    @property
    def environ(self) -> dict[str, str]:
        """Lets the programs find the libraries that were unpacked beside them."""
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, sorted(self.folder.glob("usr/lib/*-linux-gnu"))))}

    def _unpack(self) -> None:
        """With the libraries that they need and this machine lacks, which apt-get knows."""
        if not shutil.which("apt-get"):
            raise Missing("haproxy and nginx are not installed, and there is no apt-get to download them with")
        archives = self.folder / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
        download = ["apt-get", "-qq", "--yes", "--no-install-recommends", "--download-only", *options, "install", *PACKAGES]
        done = subprocess.run(download, capture_output=True, text=True, check=False)
        if done.returncode and os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False)
            done = subprocess.run(download, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"apt-get cannot download haproxy and nginx: {(done.stderr.strip() or done.stdout.strip())[-300:]}")
        for package in sorted(archives.glob("*.deb")):
            subprocess.run(["dpkg", "--extract", str(package), str(self.folder)], check=True)


@pytest.fixture(scope="session")
def programs() -> Programs:
    """The proxies, downloaded once for this checkout; where they cannot be had, their tests are skipped."""
    try:
        return Programs(Path(__file__).parents[1] / "build" / "proxies")
    except Missing as missing:
        pytest.skip(str(missing))
