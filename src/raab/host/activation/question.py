"""Asking a release something that only its code can answer: as the service's user, in its sandbox, with the host's own configuration and
credentials. What it answers is believed as little as any word of the service's."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from raab.errors import RaabError
from raab.host import answers, sandbox
from raab.host.answers import Settings
from raab.host.paths import Paths
from raab.host.renewal import twin
from raab.host.renewal.ahead import shown
from raab.host.renewal.unit import Unit
from raab.protocol import Command


class Question:
    """`raab VERB` of a release, under way from here on until `answer`.

    A unit with the lines of the release's own, and not a child of ours: only systemd hands credentials over and builds the sandbox.
    """

    def __init__(self, paths: Paths, release: Path, verb: str) -> None:
        self.verb = verb
        lines = twin.resolved(paths, sandbox.surroundings(sandbox.service_lines(paths, release)))
        command = f"{release}/venv/bin/python -I -m raab.host {verb}"
        self.unit = Unit("".join(f"{line}\n" for line in lines), command)

    def answer(self, limit: float) -> str:
        """What it printed. Waits for its end, at most `limit` seconds. Raises RaabError with its reason when it does not go well."""
        try:
            said, why = self.unit.finish(limit)
        except TimeoutError:
            text = f"{self.verb}: the release did not load within {limit:.0f} s"
            raise RaabError(text, "find what it waits for, or raise load_timeout") from None
        if why:
            reason, _, hint = shown(why).rpartition("\nhint: ")
            raise RaabError((reason or hint)[-2000:], hint if reason else "")
        return said.decode(errors="replace")

    def end(self) -> None:
        """Nothing of it is left afterwards."""
        self.unit.end()


def settings(question: Question, limit: float) -> Settings:
    """The answer to `settings`. Raises RaabError with the release's reason, or for what is no answer."""
    said = question.answer(limit)
    try:
        return answers.settings(said)
    except ValueError as error:
        raise RaabError(f"settings: the release does not say what they are, got {error}", "raab config") from error


def run_hook(paths: Paths, name: str, hook: Command, release: Path, variables: Mapping[str, str]) -> str:
    """Run an operator's command as the service's user, with its `variables`, in the release's directory; return what it printed."""
    began = time.monotonic()
    environment = {**variables, "RAAB_RELEASE_DIR": str(release)}
    done = as_service(paths, ["/bin/sh", "-c", hook.command], environment, hook.timeout, release)
    output = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
    if done.returncode:
        raise RaabError(f"hook {name}: exit code {done.returncode} after {time.monotonic() - began:.1f} s, got: {output[-2000:]}")
    return output


def as_service(
    paths: Paths, command: list[str], environment: dict[str, str], limit: float, directory: Path
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
        user=paths.user,
        group=paths.user,
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
