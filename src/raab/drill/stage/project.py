"""A copy of the working tree that drills change and deploy, so that the checkout stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from raab.deploy.plan.environment import Environment, Host
from raab.drill.stage import work
from raab.drill.traffic import routes
from raab.errors import RaabError

NAME = "drill"
PARTS = (
    "src", "systemd", "setup.py", "pyproject.toml", "MANIFEST.in", "requirements.lock", "requirements-dev.lock", "wsgi.py", "gunicorn.py",
    "fabfile.py", "deploy/config.yaml",
)  # fmt: skip
# Importing takes its time, asleep, so that whoever waits for an import is seen on any machine; and the routes for long requests.
WSGI = """\
import time

from drillroutes import with_drill_routes
from raab.release import current_release
from raab.served.application import application

time.sleep({seconds})
application = with_drill_routes(application, release=current_release().id)
"""
# The routes are a package of the copy's own: what a deploy sends of raab has none of raab.drill.
ROUTES = "src/drillroutes/__init__.py"
WORK = "src/drillroutes/work.py"
# A file of any name in a package makes another release; a module that cannot be imported makes a broken one.
MARK = "src/drillroutes/mark.py"
DRILLS_OWN = "# of a drill\n"
ANOTHER = "\n# another one\n"
BROKEN = "src/raab/modules/drillbroken/__init__.py"


@dataclass(frozen=True)
class Ran:
    """A verb of fab that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def said(self) -> str:
        """The last line that it printed, which is its verdict."""
        lines = [line for line in (self.err + self.out).splitlines() if line.strip()]
        return lines[-1] if lines else "nothing"


@dataclass(frozen=True)
class Project:
    """The copy, in the folder `root`, with an environment `drill` that reaches the hosts of `environment`."""

    root: Path
    environment: Environment
    for_drills: bool = False

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root / "src")}

    def command(self, *words: str, env: str = NAME) -> tuple[str, ...]:
        """The words of one verb for an environment; for none if that is empty."""
        return (str(Path(sys.executable).parent / "fab"), *words, *(("--env", env) if env else ()))

    def fab(self, *words: str, env: str = NAME, expect: int | None = 0, stdin: str | None = None) -> Ran:
        """Runs one verb. Raises RaabError with what it said unless it ends with the expected exit code (None: with any)."""
        command = self.command(*words, env=env)
        done = subprocess.run(command, cwd=self.root, env=self.environ, input=stdin, capture_output=True, text=True, timeout=300)
        if expect is not None and done.returncode != expect:
            said = (done.stderr + done.stdout).strip()[-2000:]
            raise RaabError(f"fab {' '.join(words)}: wanted exit code {expect}, got {done.returncode}\n{said}")
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts one verb whose progress is read by the caller."""
        return subprocess.Popen(
            self.command(*words), cwd=self.root, env=self.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def change(self, text: str) -> None:
        """Makes the next deploy a new release."""
        (self.root / MARK).write_text(f'"""A drill changed the code: {text}."""\n')

    def configure(self, text: str) -> None:
        """Has the project say these lines of itself, beside its own."""
        file = self.root / "deploy" / "config.yaml"
        file.write_text(f"{file.read_text().partition(DRILLS_OWN)[0]}{DRILLS_OWN}{text}")

    def write_environment(self, name: str, hosts: Sequence[Host], waves: Sequence[int | str] = (1, "100%"), stays: bool = False) -> None:
        """An environment of these hosts, in deploy/<name>.yaml. JSON is YAML. What is deployed by one that `stays` is no drill's."""
        document = {
            "hosts": {host.name: {"address": host.address, "port": host.port or 22, "user": host.user or "root"} for host in hosts},
            "identity": hosts[0].identity, "known_hosts": hosts[0].known_hosts, "waves": list(waves),
            "service_port": self.environment.settings.service_port, "drills": "made" if self.for_drills and not stays else "refused",
        }  # fmt: skip
        (self.root / "deploy" / f"{name}.yaml").write_text(json.dumps(document))

    def afterwards(self) -> str:
        """Writes the environment of what stays when the drills are over; returns its name."""
        self.write_environment("afterwards", self.environment.hosts, stays=True)
        return "afterwards"

    def host(self, name: str) -> Host:
        return next(host for host in self.environment.hosts if host.name == name)

    def proxied(self, host: Host, port: int) -> str:
        """Writes an environment that reaches a host through a port of this machine's loopback, its key known there; returns its name."""
        known = self.root / "known_hosts"
        lines = [line.split(maxsplit=1) for line in Path(host.known_hosts).read_text().splitlines()]
        known.write_text("".join(f"[127.0.0.1]:{port} {key}\n" for names, key in lines if host.address in names.split(",")))
        self.write_environment("proxied", [replace(host, address="127.0.0.1", port=port, known_hosts=str(known))])
        return "proxied"

    def refresh(self, source: Path) -> None:
        """Makes the code that of the tree at `source` again."""
        for name in PARTS:
            take(source / name, self.root / name)

    def spoil(self, statement: str, another_server: bool = False) -> None:
        """Makes the next deploy a release that runs a statement at import; an empty one mends it. With `another_server` its gunicorn.py is
        another one too, so that it takes a trial in a process of its own."""
        server = self.root / "gunicorn.py"
        server.write_text(server.read_text().removesuffix(ANOTHER) + (ANOTHER if another_server else ""))
        file = self.root / BROKEN
        if statement:
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"from flask import Blueprint\n\nblueprint = Blueprint('drillbroken', __name__)\n{statement}\n")
        else:
            shutil.rmtree(file.parent, ignore_errors=True)


def copy(source: Path, root: Path, environment: Environment, import_seconds: float, for_drills: bool = False) -> Project:
    """Copies the tree at `source` to the empty folder `root`, with an environment that reaches the same hosts."""
    (root / "deploy").mkdir()
    for name in PARTS:
        take(source / name, root / name)
    (root / "wsgi.py").write_text(WSGI.format(seconds=import_seconds))
    (root / ROUTES).parent.mkdir()
    shutil.copy(routes.__file__, root / ROUTES)
    shutil.copy(work.__file__, root / WORK)
    wheels = source / "build" / "raab" / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    (root / "build" / "raab").mkdir(parents=True)
    # Wheels of dependencies, which the working tree's own deploys have fetched.
    (root / "build" / "raab" / "wheels").symlink_to(wheels)
    project = Project(root, environment, for_drills)
    project.write_environment(NAME, environment.hosts)
    return project


def take(source: Path, target: Path) -> None:
    """Makes `target` a copy of the file or folder, whatever it was."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    else:
        shutil.copy(source, target)
