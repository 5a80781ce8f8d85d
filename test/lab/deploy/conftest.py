"""A project of the tests' own: a copy of this tree, which they change and deploy without touching the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from raab.lab.shell import Shell
from raab.lab.state import LabHost

ROOT = Path(__file__).resolve().parents[3]
CARD = "src/raab/modules/home/__init__.py"
PARTS = (
    "src", "systemd", "setup.py", "pyproject.toml", "MANIFEST.in", "requirements.lock", "requirements-dev.lock", "wsgi.py", "gunicorn.py",
    "fabfile.py",
)  # fmt: skip

# Servers as Debian has them, with what of theirs hosts lack.
REDIS = ("redis-server", "redis-tools", "libjemalloc2", "liblua5.1-0", "liblzf1", "lua-cjson", "lua-bitop", "libatomic1", "adduser")
POSTGRES = ("postgresql-15", "postgresql-client-15", "libpq5", "libldap-2.5-0", "libsasl2-2", "libxslt1.1", "libicu72", "libxml2")
PLACE = "/usr/lib/postgresql/15/bin"


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Project:
    """A tree that can be deployed; `lab` is the name of the lab that its environment `lab` means."""

    root: Path
    lab: str

    def command(self, *words: str) -> tuple[str, ...]:
        return (str(Path(sys.executable).parent / "fab"), *words)

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root / "src"), "RAAB_LAB": self.lab}

    def fab(self, *words: str, expect: int | None = 0) -> Ran:
        """Run one verb; its exit code is checked unless None is expected. No traceback may ever be shown."""
        done = subprocess.run(self.command(*words), cwd=self.root, env=self.environ, capture_output=True, text=True, timeout=240)
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        assert expect is None or done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def mark(self, text: str) -> None:
        """Change the app, so that the card at / says `mark: text`."""
        card = self.root / CARD
        card.write_text((ROOT / CARD).read_text().replace('"service":', f'"mark": "{text}", "service":'))

    def break_app(self, statement: str) -> None:
        """Change the app so that importing it runs a statement."""
        (self.root / CARD).write_text(f"{statement}\n")

    def release(self) -> str:
        return str(self.fab("build", "--json").json["release"])

    def environment(self, name: str, text: str) -> None:
        (self.root / "deploy" / f"{name}.yaml").write_text(text)


def card(host: LabHost) -> dict[str, Any]:
    """What the service at a host says of itself, asked from outside."""
    with urllib.request.urlopen(f"http://{host.address}:8000/", timeout=10) as answer:
        told: dict[str, Any] = json.load(answer)
        return told


def snapshot(shell: Shell) -> str:
    """All that a deploy could change on a host's disk."""
    # Not the accounts: a test that makes a user and removes it again rewrites their files.
    return shell.run(
        "find /opt /etc /usr/local ! -path '/etc/*passwd*' ! -path '/etc/*group*' ! -path '/etc/*shadow*' ! -path '/etc/sub*id*'"
        " \\( -type f -printf '%p %T@\\n' -o -printf '%p %l\\n' \\) | sort"
    ).out


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels that hosts need, fetched once for all tests."""
    return tmp_path_factory.mktemp("raab-build")


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory, made_once: Path, lab: Any) -> Callable[[], Project]:
    """Makes fresh copies of the tree, with the environment `lab` that its own lab stands for."""

    def make() -> Project:
        root = tmp_path_factory.mktemp("project")
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(source, root / name)
        (root / "deploy").mkdir()
        for name in ("lab.yaml", "config.yaml"):
            shutil.copy(ROOT / "deploy" / name, root / "deploy")
        cache = ROOT / "build" / "raab" / "wheels"
        (root / "build" / "raab").mkdir(parents=True)
        (root / "build" / "raab" / "wheels").symlink_to(cache if cache.is_dir() else made_once)
        made = Project(root, lab.lab.name)
        # Content of its own for each: what another one left on a host must not pass for this one's release.
        made.mark(uuid.uuid4().hex)
        return made

    return make


@pytest.fixture
def project(make_project: Callable[[], Project]) -> Project:
    """A copy of the test's own."""
    return make_project()


@pytest.fixture
def ask() -> Any:
    return card


@pytest.fixture
def look() -> Any:
    return snapshot


class Packages:
    """Debian's, which hosts have no way to: fetched once for all tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bring(self, shell: Shell, folder: str, *names: str) -> None:
        """To a folder of a host."""
        shell.run(f"mkdir -p {folder}")
        missing = [name for name in names if not list(self.folder.glob(f"{name}_*.deb"))]
        if missing:
            subprocess.run(("apt-get", "download", "-q", *missing), cwd=self.folder, check=True, capture_output=True, timeout=120)
        for name in names:
            (file,) = self.folder.glob(f"{name}_*.deb")
            shell.run(f"cat >{folder}/{file.name}", stdin=file.read_bytes(), timeout=120)

    def redis(self, shell: Shell) -> None:
        self.bring(shell, "/tmp/redis", *REDIS)
        shell.run("DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/redis/*.deb && systemctl is-active redis-server", timeout=120)

    def postgres(self, shell: Shell) -> None:
        """With a user and a database `shop`. The packages' files alone, for the tools around them need more than is looked at."""
        self.bring(shell, "/tmp/postgres", *POSTGRES)
        data = "/var/lib/postgresql/data"
        unit = f"[Service]\nUser=postgres\nRuntimeDirectory=postgresql\nExecStart={PLACE}/postgres -D {data} -h 0.0.0.0 -c jit=off\n"
        shell.run(
            "for file in /tmp/postgres/*.deb; do dpkg-deb -x $file /; done; ldconfig; useradd --system postgres; cd /"
            f" && install -d -o postgres /var/lib/postgresql && runuser -u postgres -- {PLACE}/initdb -A trust -D {data} >/dev/null"
            f" && echo 'host all all 0.0.0.0/0 trust' >>{data}/pg_hba.conf && cat >/etc/systemd/system/postgresql.service"
            " && printf '[Install]\\nWantedBy=multi-user.target\\n' >>/etc/systemd/system/postgresql.service"
            " && systemctl enable --quiet --now postgresql"
            f" && until {PLACE}/createuser -h 127.0.0.1 -U postgres shop 2>/dev/null; do sleep 0.1; done"
            f" && {PLACE}/createdb -h 127.0.0.1 -U postgres -O shop shop",
            stdin=unit.encode(),
            timeout=120,
        )


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return Packages(tmp_path_factory.mktemp("debian"))
