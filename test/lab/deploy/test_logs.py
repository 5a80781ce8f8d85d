"""`fab logs` shows what the service says, at once and for as long as somebody looks."""

from __future__ import annotations

import subprocess
import time
from typing import Any


def test_a_log_that_is_followed_goes_on(project: Any, lab: Any) -> None:
    """Longer than the signs of life that both sides send; each line when it comes, not with the next one. An interrupt ends it."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    command = project.command("logs", "--hosts", host.name, "--lines", "5", "--follow")
    with subprocess.Popen(command, cwd=project.root, env=project.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for number in (1, 2, 3):
                shell.run(f"python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:8000/nowhere-{number}\")'", check=False)
                began = time.monotonic()
                assert any(f"/nowhere-{number}" in line for line in process.stdout)
                assert time.monotonic() - began < 5
                time.sleep(8)
            assert process.poll() is None
        finally:
            process.send_signal(2)
            assert process.wait(10) == 130
