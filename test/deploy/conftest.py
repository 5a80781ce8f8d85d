"""A small project, git and pip with nobody's settings, and an index of packages."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Git = Callable[..., str]


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def git() -> Git:
    """Runs git in a folder, as somebody, at a moment that never changes."""

    def run(root: Path, *words: str) -> str:
        command = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "protocol.file.allow=always", *words)
        environment = {**os.environ, "GIT_COMMITTER_DATE": "2026-11-22T06:15:00Z", "GIT_AUTHOR_DATE": "2026-11-22T06:15:00Z"}
        return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    return run


@pytest.fixture
def tree(tmp_path: Path, git: Git) -> Path:
    """A small project of raab's shape, committed."""
    root = tmp_path / "tree"
    for name, text in {
        "src/raab/__init__.py": "",
        "src/handover/__init__.py": "",
        "src/http1/__init__.py": "",
        "systemd/raab.service": "[Service]\n",
        "wsgi.py": "application = None\n",
        "gunicorn.py": "",
        "requirements.lock": "",
        "MANIFEST.in": "graft src\nglobal-exclude __pycache__/* *.py[cod]\n",
        ".gitignore": "/build/\n__pycache__/\n*.db\n/ignored/\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("setup.py", "pyproject.toml", "deploy/config.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


# A build backend that lies in its own source (PEP 517, backend-path): builds what the source says, without setuptools.
BACKEND = """
import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, version, tag = open("ABOUT").read().split()
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, f"{name}-{version}-{tag}.whl"), "w") as wheel:
        def put(file, text):
            wheel.writestr(zipfile.ZipInfo(file), text)
        put(f"{name}/__init__.py", "BUILT = True")
        put(f"{about}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        put(f"{about}/WHEEL", f"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        names = [f"{name}/__init__.py", *(f"{about}/{file}" for file in ("METADATA", "WHEEL", "RECORD"))]
        put(f"{about}/RECORD", "".join(f"{file},,\\n" for file in names))
    return f"{name}-{version}-{tag}.whl"
"""


class PackageIndex:
    """A simple index (PEP 503) of made-up packages, served over HTTP; `asked` are the paths of all requests, with who asked."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: list[tuple[str, str]] = []
        self.status = 0
        asked, index = self.asked, self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *words: Any, **more: Any) -> None:
                super().__init__(*words, directory=str(home), **more)

            def do_GET(self) -> None:
                scheme, _, secret = (self.headers.get("Authorization") or "").partition(" ")
                asked.append((self.path, base64.b64decode(secret).decode() if scheme == "Basic" else ""))
                if index.status:
                    self.send_error(index.status)
                else:
                    super().do_GET()

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}/simple/"

    def wheel(
        self, name: str, version: str, tag: str = "py3-none-any", requires: tuple[str, ...] = (), extras: tuple[str, ...] = ()
    ) -> str:
        """Publishes a wheel and returns its SHA-256."""
        content = io.BytesIO()
        about = f"{name}-{version}.dist-info"
        told = [f"Requires-Dist: {one}" for one in requires]
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(f"{name}/__init__.py", "")
            archive.writestr(f"{about}/METADATA", "\n".join(("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *told, "")))
            archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
            archive.writestr(f"{about}/RECORD", "")
        return self.publish(name, f"{name}-{version}-{tag}.whl", content.getvalue())

    def sdist(self, name: str, version: str, tools: tuple[str, ...] = (), tag: str = "py3-none-any") -> str:
        """Publishes a source that builds a wheel with that tag, by tools that it names."""
        content = io.BytesIO()
        project = f'[build-system]\nrequires = {list(tools)!r}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        files = {"pyproject.toml": project, "backend.py": BACKEND, "ABOUT": f"{name} {version} {tag}"}
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for file, text in {**files, "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}.items():
                member = tarfile.TarInfo(f"{name}-{version}/{file}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        return self.publish(name, f"{name}-{version}.tar.gz", content.getvalue())

    def publish(self, name: str, file: str, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (self.home / "files").mkdir(exist_ok=True)
        (self.home / "files" / file).write_bytes(content)
        page = self.home / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a") as text:
            text.write(f'<a href="/files/{file}#sha256={digest}">{file}</a>\n')
        return digest


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """An index that pip uses, whatever this machine's own settings are."""
    home = tmp_path / "index"
    home.mkdir()
    made = PackageIndex(home)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", made.url)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    yield made
    made.server.shutdown()
    made.server.server_close()
