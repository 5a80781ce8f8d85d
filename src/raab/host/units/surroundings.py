"""What a command has around it on a host, as lines of a unit: what the service would have with a release, where it works, and by what it
finds the project. Standard library only."""

from __future__ import annotations

import json
from pathlib import Path

from raab.host.paths import Paths
from raab.host.units import sandbox

# As systemd has it for every unit (systemd.exec(5)).
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def code(release: Path) -> Path:
    """Where the project's code is, and the service works."""
    app = release / "app"
    return app if app.is_dir() else release


def of_command(paths: Paths, release: Path, folder: Path) -> str:
    """Working in that folder. What the release's unit or the host says of a variable counts more than what is said here."""
    manifest = json.loads((release / "manifest.json").read_bytes())
    imported = ":".join(str(code(release) / one) for one in manifest.get("python_path", ()))
    found = (f"PATH={release}/venv/bin:{_PATH}", *([f"PYTHONPATH={imported}"] if imported else []), *manifest.get("variables", ()))
    before = [f"Environment={sandbox.quoted(each)}" for each in found]
    after = [f"WorkingDirectory={folder}", f"Environment={sandbox.quoted(f'RAAB_RELEASE_DIR={release}')}"]
    return "".join(f"{line}\n" for line in (*before, *sandbox.of_release(paths, release).splitlines(), *after))
