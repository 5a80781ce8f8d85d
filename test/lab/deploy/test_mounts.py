"""Two applications from PyPI that nobody here wrote, a Flask and a Django one, brought to a host as a user would bring them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.state import LabHost

# Canaille (Flask) is an identity provider, ARA (Django, with a database) keeps records of Ansible's runs.
REQUIRED = ("canaille[front]==0.3.6", "ara[server]==1.8.0")
MOUNTS = "mounts: {/identity: 'canaille:create_app()', /: 'ara.server.wsgi:application'}"
# What their documentation asks for: a key; where to keep files, and which names to answer to.
ENVIRONMENT = "Environment=SECRET_KEY=of-a-test ARA_BASE_DIR=/var/lib/raab/ara 'ARA_ALLOWED_HOSTS=[\"*\"]' ARA_TIME_ZONE=UTC"
HOOKS = "hooks: {before_activate: {command: venv/bin/ara-manage migrate, timeout: 60}}"


@pytest.fixture
def mounted(project: Any, lab: Any) -> Any:
    """The project with both applications required, locked as setup.py says, mounted, and an environment `mounts` of one host."""
    replace(project.root / "setup.py", "install_requires=[", f"install_requires=[\n        {REQUIRED[0]!r},\n        {REQUIRED[1]!r},")
    replace(project.root / "src/raab/config/config.yaml", "mounts: {}", MOUNTS)
    replace(project.root / "systemd/raab.service", "[Service]\n", f"[Service]\n{ENVIRONMENT}\n")
    command = (
        str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header",
        "--no-annotate", "--no-python-downloads", "--python-version", "3.10", "setup.py", "-o", "requirements.lock",
    )  # fmt: skip
    subprocess.run(command, cwd=project.root, check=True, timeout=60)
    (host,) = lab.hosts(1)
    where = f"hosts: {{h1: {{address: {host.address}}}}}\nidentity: {host.key}\nknown_hosts: {host.known_hosts}\n"
    project.environment("mounts", f"{where}{HOOKS}\n")
    return project


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def ask(host: LabHost, path: str, body: dict[str, str] | None = None) -> tuple[Any, str]:
    """Headers and body of an answer."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"http://{host.address}:8000{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read().decode()


@pytest.mark.prove
def test_foreign_flask_and_django_projects_are_deployed_and_handed_over(mounted: Any, lab: Any) -> None:
    """Both answer, with the id, headers, line and counts that every request gets; /livez and /readyz stay raab's although ARA has /; and
    a changed tree is deployed under requests to both."""
    (host,) = lab.hosts(1)
    shell = lab.shell(host)
    mounted.fab("deploy", "--env", "mounts")

    about, body = ask(host, "/identity/about")
    assert "About Canaille" in body and "/identity/static/" in body
    assert 'name="csrf_token"' in ask(host, "/identity/login")[1]
    front, page = ask(host, "/")
    assert "<title>ara" in page.lower()
    assert [front.get_all(name) for name in ("X-Content-Type-Options", "X-Frame-Options")] == [["nosniff"], ["DENY"]]
    written, label = ask(host, "/api/v1/labels", {"name": "raab"})
    assert json.loads(ask(host, f"/api/v1/labels/{json.loads(label)['id']}")[1])["name"] == "raab"
    assert (ask(host, "/livez")[1], ask(host, "/readyz")[1]) == ("ok\n", "ok\n")

    shell.run("sleep 0.5")
    lines = shell.run("journalctl -u raab -o cat --since -60s").out.splitlines()
    found = {line["request"]: line for line in map(json.loads, filter(lambda text: "raab.access" in text, lines))}
    routes = [found[headers["X-Request-ID"]]["route"] for headers in (about, front, written)]
    assert routes == ["/identity/about", "/", "/api/v1/labels$"]
    counted = shell.run("raab metrics").out
    assert 'method="POST",route="/api/v1/labels$",status="201"} 1' in counted
    assert 'route="/identity/about",status="200"} 1' in counted

    before = shell.run("readlink /opt/raab/current").out
    mounted.mark("changed")
    paths = ("/identity/about", "/api/v1/labels")
    mixes = [Mix(path=path, fresh=8, reused=8, timeout=10) for path in paths]
    with Load([(host.address, 8000)], mixes[0]) as one, Load([(host.address, 8000)], mixes[1]) as two:
        mounted.fab("deploy", "--env", "mounts")
    assert shell.run("readlink /opt/raab/current").out != before
    for load in (one, two):
        assert load.account.failures == (), load.account.line()
        assert load.account.total > 20
