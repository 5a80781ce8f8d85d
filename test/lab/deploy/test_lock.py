"""The lock is the truth: hosts get what it names, and a deploy whose code needs more is refused."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

BACKEND = """
import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    about = "fromsource-1.0.dist-info"
    files = {"fromsource.py": "WORD = 'built'", f"{about}/METADATA": "Metadata-Version: 2.1\\nName: fromsource\\nVersion: 1.0\\n",
             f"{about}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    files[f"{about}/RECORD"] = "".join(f"{name},,\\n" for name in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(os.path.join(folder, "fromsource-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    return "fromsource-1.0-py3-none-any.whl"
"""
VIEW = """\
import fromsource
from flask import Blueprint

blueprint = Blueprint("fromsource", __name__)


@blueprint.get("/fromsource")
def word() -> str:
    return fromsource.WORD
"""


def source(folder: Path) -> str:
    """A project that is published as its source alone; returns its SHA-256."""
    folder.mkdir()
    content = io.BytesIO()
    about = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in {"pyproject.toml": about, "backend.py": BACKEND, "PKG-INFO": "Name: fromsource\nVersion: 1.0\n"}.items():
            member = tarfile.TarInfo(f"fromsource-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (folder / "fromsource-1.0.tar.gz").write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


@pytest.mark.prove
def test_a_dependency_without_a_wheel_is_built_here_and_served_there(project: Any, lab: Any) -> None:
    """Refused as long as the lock lacks it; then built from its source; what opens an index is on no host."""
    (host,) = lab.hosts(1)
    (project.root / "src/raab/modules/fromsource").mkdir()
    (project.root / "src/raab/modules/fromsource/__init__.py").write_text(VIEW)
    setup, lock = project.root / "setup.py", project.root / "requirements.lock"
    setup.write_text(setup.read_text().replace('"pyyaml>=6.0.2",', '"pyyaml>=6.0.2",\n        "fromsource>=1",'))
    refused = project.fab("deploy", "--hosts", host.name, expect=2)
    assert "requirements.lock: it lacks what is needed, got raab needs fromsource>=1, and the lock has none" in refused.out
    digest = source(project.root / "own")
    places = f"--find-links own\n--extra-index-url http://user:s3cret@127.0.0.1:1/simple\nfromsource==1.0 --hash=sha256:{digest}\n"
    lock.write_text(places + lock.read_text())
    planned = project.fab("plan", "--hosts", host.name).out
    assert "built here from its source: fromsource 1.0" in planned
    project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    assert shell.run("curl -fsS http://127.0.0.1:8000/fromsource || python3 -c \"import urllib.request as r; "
                     "print(r.urlopen('http://127.0.0.1:8000/fromsource').read().decode())\"").out.strip() == "built"  # fmt: skip
    assert shell.run("grep -rlI s3cret /opt/raab /etc/raab /run/raab-deploy; journalctl | grep -c s3cret", check=False).out.split() == ["0"]
    assert not [path for path in (project.root / "build/raab/bundles").rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert "s3cret" not in planned
