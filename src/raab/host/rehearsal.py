"""Load a release as the service would, before the service does: as the service's user, with the host's own configuration."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd
from raab.host.paths import UNIT, USER
from raab.host.task import Hook


def service_environment(release: Path) -> dict[str, str]:
    """The variables that the service is started with: as systemd knows them, or, on a bare host, as the release's unit sets them."""
    shown = systemd.show(UNIT, "Environment", "LoadState")
    if shown.get("LoadState") == "loaded":
        words = shlex.split(shown.get("Environment", ""))
    else:
        unit = (release / "systemd" / UNIT).read_text().splitlines()
        words = [word for line in unit if line.startswith("Environment=") for word in shlex.split(line.removeprefix("Environment="))]
    return dict(word.split("=", 1) for word in words if "=" in word)


def rehearse(release: Path, environment: dict[str, str], limit: float) -> None:
    """Run the release's own `raab trial`, which ends within `limit` seconds. Raises RaabError with its reason."""
    command = [str(release / "venv/bin/python"), "-I", "-m", "raab.host", "trial"]
    done = as_service(command, environment, limit + 5)
    if done.returncode:
        reason, _, hint = (done.stderr.strip() or f"trial: it ended with exit code {done.returncode}").rpartition("\nhint: ")
        raise RaabError((reason or hint)[-2000:], hint if reason else "")


def run_hook(name: str, hook: Hook, release: Path) -> str:
    """Run an operator's command as the service's user in the release's directory; return what it printed."""
    began = time.monotonic()
    environment = {**service_environment(release), "RAAB_RELEASE_DIR": str(release)}
    done = as_service(["/bin/sh", "-c", hook.command], environment, hook.timeout, release)
    output = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
    if done.returncode:
        raise RaabError(f"hook {name}: exit code {done.returncode} after {time.monotonic() - began:.1f} s, got: {output[-2000:]}")
    return output


def as_service(
    command: list[str], environment: dict[str, str], limit: float, directory: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    """Run a command as the service's user, with its variables and no more rights; exit code 124 when it did not end in time."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8", **environment},
        cwd=directory,
        user=USER,
        group=USER,
        extra_groups=[],
        # Its own process group, so that what it started can be ended with it.
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return subprocess.CompletedProcess(command, 124, "", f"it did not end within {limit:.0f} s")
    return subprocess.CompletedProcess(command, process.returncode, out, err)
