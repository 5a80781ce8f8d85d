"""docs/pipeline.md, as pipelines carry it out: its own scripts, without a terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = Path(__file__).resolve().parents[3] / "docs/pipeline.md"
ENVIRONMENT, GITHUB, GITLAB = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL))
STEPS = GITHUB["jobs"]["deploy"]["steps"]
SCRIPTS = {
    "GitHub": next(step["run"] for step in STEPS if step.get("name") == "deploy"),
    "GitLab": "\n".join(GITLAB["deploy"]["script"]),
}


def carry_out(script: str, project: Any, key: str) -> int:
    """As a runner does it: by a shell that ends at the first failure, in a session of its own, with nothing to read from."""
    environ = {**project.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "DEPLOY_KEY": key}
    environ.pop("SSH_AUTH_SOCK", None)
    done = subprocess.run(
        ("bash", "-e", "-c", script), cwd=project.root, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
        start_new_session=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


def test_the_pages_files_are_whole() -> None:
    """What they name is there, and both install the same."""
    assert set(ENVIRONMENT) == {"hosts", "known_hosts"}
    installing = next(step["run"] for step in STEPS if "pip install" in step.get("run", ""))
    assert installing.split("\n")[:2] == GITLAB["deploy"]["before_script"]
    for name in re.findall(r"-r (\S+)", installing):
        assert (PAGE.parents[1] / name).is_file()


@pytest.mark.timeout(400)
def test_both_pipelines_deploy_without_a_terminal(project: Any, lab: Any, ask: Any) -> None:
    """One waits for whoever is at work, and deploys; the other one's release does not serve, and its job fails with what that means."""
    (host,) = lab.hosts(1)
    shell = lab.shell(host)
    project.environment("production", yaml.safe_dump({**ENVIRONMENT, "hosts": {"web1": {"address": host.address}}, "ssh_config": "none"}))
    (project.root / "deploy/known_hosts").write_text(host.known_hosts.read_text())
    key = host.key.read_text()
    shell.run("mkdir -p /run/raab-deploy && systemd-run --quiet --unit=holder flock /run/raab-deploy/lock sleep 8")
    assert carry_out(SCRIPTS["GitHub"], project, key) == 0
    told = json.loads((project.root / "deploy.json").read_text())
    assert (told["exit_code"], [row["result"] for row in told["hosts"]]) == (0, ["deployed"])
    before = ask(host)["release"]
    project.break_app("raise RuntimeError('no such table')")
    assert carry_out(SCRIPTS["GitLab"], project, key) == 4
    told = json.loads((project.root / "deploy.json").read_text())
    assert (told["exit_code"], told["hosts"][0]["result"], told["hosts"][0]["release"]) == (4, "failed", before)
    assert "no such table" in told["hosts"][0]["reason"]
    assert ask(host)["release"] == before
