"""Load a release before the service does: as the service's user, in its sandbox, with the host's own configuration and credentials."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from raab.errors import RaabError
from raab.host import sandbox, systemd
from raab.host.activation.task import Hook
from raab.host.paths import USER, Paths

TRIAL_UNIT = "raab-trial.service"


class Rehearsal:
    """The release's own `raab trial`, under way from here on until `finish`.

    A transient unit, and not a child of ours: only systemd hands credentials over and builds the sandbox.
    """

    def __init__(self, paths: Paths, release: Path) -> None:
        self.process = subprocess.Popen(
            (
                "systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={TRIAL_UNIT}", "--working-directory=/",
                *sandbox.properties(sandbox.service_lines(paths, release)),
                str(release / "venv/bin/python"), "-I", "-m", "raab.host", "trial",
            ),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip

    def finish(self, limit: float) -> None:
        """Wait for its end, at most `limit` seconds. Raises RaabError with its reason when the release does not load."""
        try:
            _, said = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            systemd.order("systemctl", "kill", "--signal=KILL", TRIAL_UNIT)
            self.process.communicate()
            raise RaabError(
                f"trial: the release did not load within {limit:.0f} s", "find what it waits for, or raise load_timeout"
            ) from None
        if self.process.returncode:
            reason, _, hint = (said.strip() or f"trial: it ended with exit code {self.process.returncode}").rpartition("\nhint: ")
            raise RaabError((reason or hint)[-2000:], hint if reason else "")


def run_hook(paths: Paths, name: str, hook: Hook, release: Path) -> str:
    """Run an operator's command as the service's user in the release's directory; return what it printed."""
    began = time.monotonic()
    environment = {**sandbox.environment(sandbox.service_lines(paths, release)), "RAAB_RELEASE_DIR": str(release)}
    done = as_service(["/bin/sh", "-c", hook.command], environment, hook.timeout, release)
    output = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
    if done.returncode:
        raise RaabError(f"hook {name}: exit code {done.returncode} after {time.monotonic() - began:.1f} s, got: {output[-2000:]}")
    return output


def as_service(command: list[str], environment: dict[str, str], limit: float, directory: Path) -> subprocess.CompletedProcess[str]:
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
