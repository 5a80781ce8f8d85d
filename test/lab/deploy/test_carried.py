"""What the checkout serves, a host serves."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

VIEW = """\
import subprocess
from importlib import resources
from pathlib import Path

from flask import Blueprint

blueprint = Blueprint("files", __name__, static_folder="static", static_url_path="/files/static")
HERE = Path(__file__).parent


@blueprint.get("/files")
def files() -> dict[str, object]:
    from raab.modules.files.loose.deep import word

    return {
        "schema": (HERE / "schema.sql").read_text(),
        "resource": resources.files("raab.modules.files").joinpath("loose/data.json").read_text(),
        "loose": word.WORD,
        "ran": subprocess.run([str(HERE / "tool.sh")], capture_output=True, text=True).stdout,
    }
"""


def test_files_of_every_kind_are_served_by_the_host(project: Any, lab: Any) -> None:
    """Data beside a module, a folder without __init__.py, a linked folder, a dotfile, a tool that is run; and again with a mode changed."""
    (host,) = lab.hosts(1)
    files = project.root / "src/raab/modules/files"
    for name, text in {
        "src/raab/modules/files/__init__.py": VIEW,
        "src/raab/modules/files/schema.sql": "create table x;",
        "src/raab/modules/files/loose/data.json": "{}",
        "src/raab/modules/files/loose/deep/word.py": "WORD = 'found'\n",
        "src/raab/modules/files/static/.well-known": "me",
        "src/raab/modules/files/tool.sh": "#!/bin/sh\necho ran\n",
        "shared/theme/a.css": "a {}",
    }.items():
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text(text)
    (files / "static/theme").symlink_to("../../../../../shared/theme")
    (files / "tool.sh").chmod(0o755)
    project.fab("deploy", "--hosts", host.name)
    base = f"http://{host.address}:8000/files"

    def get(path: str) -> str:
        with urllib.request.urlopen(base + path, timeout=10) as answer:
            return str(answer.read().decode())

    assert json.loads(get("")) == {"schema": "create table x;", "resource": "{}", "loose": "found", "ran": "ran\n"}
    assert (get("/static/theme/a.css"), get("/static/.well-known")) == ("a {}", "me")
    # The file is the same but for its mode, and so must not be a link to the one of before.
    tool = "/opt/raab/current/venv/lib/python3*/site-packages/raab/modules/files/tool.sh"
    (files / "tool.sh").chmod(0o644)
    project.fab("deploy", "--hosts", host.name)
    assert lab.shell(host).run(f"stat -c %a {tool}").out.strip() == "644"
    (files / "tool.sh").chmod(0o755)
    project.fab("deploy", "--hosts", host.name)
    assert lab.shell(host).run(f"stat -c %a {tool}").out.strip() == "755"
