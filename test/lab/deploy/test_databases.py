"""A real database: PostgreSQL as Debian has it, on the first of two hosts. Migrated once, under traffic, and nobody loses a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

BIN = Path(sys.executable).parent
DEBIAN = ("postgresql-15", "postgresql-client-15", "libpq5", "libldap-2.5-0", "libsasl2-2", "libxslt1.1", "libicu72", "libxml2")
PLACE = "/usr/lib/postgresql/15/bin"
READY = """
from sqlalchemy import text
from shop import app, db


def check():
    with app.app_context():
        db.session.execute(text("SELECT {column} FROM users LIMIT 1"))
"""
ALEMBIC = {
    "requirements.txt": "flask==3.1.3\nflask-sqlalchemy==3.1.1\nflask-migrate==4.1.0\npsycopg[binary]==3.2.10\n",
    "shop/__init__.py": """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

app = Flask("shop")
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db = SQLAlchemy(app)
Migrate(app, db)


@app.get("/")
def home():
    db.session.execute(text("INSERT INTO users (name) VALUES ('ann')"))
    db.session.commit()
    return "one"
""",
    "shop/health.py": READY.format(column="name"),
    "migrations/alembic.ini": "[alembic]\n",
    "migrations/env.py": """
from alembic import context
from flask import current_app

with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
""",
    "migrations/versions/0001_users.py": """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
""",
}
ADDED = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade():
    op.execute("SET lock_timeout = '5s'")
    op.add_column("users", sa.Column("email", sa.Text, server_default="", nullable=False))
"""
FAILING = ADDED.replace('"0002", "0001"', '"0003", "0002"').replace("op.add_column", "1 / 0\n    op.add_column")
CONFIG = """\
name: shop
app: shop:app
ready: shop.health:check
include: [migrations]
env: {{DATABASE_URL: "postgresql+psycopg://shop@{address}/shop"}}
migrate: flask db upgrade
"""


class Shop:
    """The project and its two hosts."""

    def __init__(self, root: Path, lab: str, hosts: tuple[LabHost, ...], shell: Shell) -> None:
        self.root, self.lab, self.hosts, self.shell = root, lab, hosts, shell

    def run(self, *words: str, expect: int = 0) -> str:
        environ = {**os.environ, "RAAB_LAB": self.lab, "PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent)}
        done = subprocess.run(words, cwd=self.root, env=environ, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fab(self, *words: str, expect: int = 0) -> str:
        return self.run(str(BIN / "fab"), *words, expect=expect)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "more")

    def sql(self, text: str) -> str:
        return self.shell.run(f"psql -h 127.0.0.1 -U shop -tA -c {json.dumps(text)} shop".replace("psql", f"{PLACE}/psql")).out.strip()

    def load(self) -> Load:
        return Load([(host.address, 8000) for host in self.hosts], Mix(fresh=10, reused=10))


def install(shell: Shell, folder: Path) -> None:
    """PostgreSQL on the host, which has no way to a mirror: the packages' files, for the tools around them need more than is looked at."""
    packages = folder / "debian"
    packages.mkdir()
    subprocess.run(("apt-get", "download", "-q", *DEBIAN), cwd=packages, check=True, capture_output=True, timeout=120)
    for file in packages.glob("*.deb"):
        shell.run(f"cat >/tmp/{file.name} && dpkg-deb -x /tmp/{file.name} /", stdin=file.read_bytes(), timeout=120)
    data = "/var/lib/postgresql/data"
    allowed = "host all all 0.0.0.0/0 trust"
    shell.run(
        "ldconfig; useradd --system postgres; install -d -o postgres /var/lib/postgresql /run/postgresql; cd /"
        f" && runuser -u postgres -- {PLACE}/initdb -A trust -D {data} >/dev/null && echo '{allowed}' >>{data}/pg_hba.conf"
        f" && runuser -u postgres -- {PLACE}/pg_ctl -w -D {data} -o '-h 0.0.0.0 -c jit=off' -l /var/lib/postgresql/log start >/dev/null"
        f" && {PLACE}/createuser -h 127.0.0.1 -U postgres shop && {PLACE}/createdb -h 127.0.0.1 -U postgres -O shop shop",
        timeout=120,
    )


@pytest.fixture
def shop(lab: Any, tmp_path: Path) -> Shop:
    hosts = (lab.fresh(1), lab.fresh(2))
    made = Shop(tmp_path / "shop", lab.lab.name, hosts, lab.shell(hosts[0]))
    install(made.shell, tmp_path)
    made.root.mkdir()
    made.run("git", "init", "-q")
    made.write(
        **ALEMBIC,
        **{
            "deploy/config.yaml": CONFIG.format(address=hosts[0].address), "deploy/lab.yaml": "hosts: lab\nwaves: [1, 100%]\n",
            "fabfile.py": '"""Deploying."""\n\nfrom raab.deploy.verbs import verbs\n\nnamespace = verbs(__file__)\n',
        },
    )  # fmt: skip
    made.fab("lock")
    made.write()
    return made


@pytest.mark.prove
def test_a_database_is_migrated_once_under_traffic(shop: Shop) -> None:
    """From an empty one on, with a check that needs what is new. What fails leaves the old release on all hosts, and a way back says what
    it will meet."""
    assert "1 pending, for raab has migrated this database by no release yet: 0001_users" in shop.fab("plan")
    first = json.loads(shop.run(str(BIN / "fab"), "deploy", "--json"))
    assert first["migrated"]["pending"] == ["0001_users"] and not first["migrated"]["failed"]
    assert shop.sql("SELECT version_num FROM alembic_version") == "0001"
    shop.write(**{"migrations/versions/0002_email.py": ADDED, "shop/health.py": READY.format(column="email")})
    assert "1 pending: 0002_email" in shop.fab("plan")
    with shop.load() as load:
        shop.fab("deploy")
        assert shop.fab("run", "--", "flask", "db", "current").split()[0] == "0002"
        shop.write(**{"migrations/versions/0003_no.py": FAILING})
        said = shop.fab("deploy", expect=4)
        assert "ZeroDivisionError" in said and "`flask db upgrade` has failed" in said
        shop.fab("status")
        assert "does not know: 0002_email" in shop.fab("rollback")
    assert load.account.total > 100 and not load.account.failures, load.account.line()
    assert shop.sql("SELECT version_num FROM alembic_version") == "0002"
    assert [line.split()[-2] for line in shop.fab("history").splitlines() if " migrate " in line].count("migrated") == 4
