"""A real database: PostgreSQL as Debian has it, on the first of two hosts. Migrated once, under traffic, and nobody loses a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

CONFIG = """\
name: shop
app: {app}
ready: shop.health:check
include: [{include}]
env: {{DATABASE_URL: "{scheme}://shop@{address}/shop"}}
migrate: {migrate}
"""
COMMON = {
    "deploy/lab.yaml": "hosts: lab\nwaves: [1, 100%]\n",
    "fabfile.py": '"""Deploying."""\n\nfrom raab.deploy.verbs import verbs\n\nnamespace = verbs(__file__)\n',
}


class Tool(NamedTuple):
    """What migrates: the project of the first release, whose `ready` asks for the first column; the names and the texts of two migrations
    more, of which the last fails; how it says which was the last, and how the database does."""

    app: str
    include: str
    scheme: str
    migrate: str
    files: dict[str, str]
    names: tuple[str, str, str]
    added: str
    failing: str
    folder: str
    current: tuple[str, ...]
    last: str
    failure: str

    def pending(self, number: int) -> str:
        """As raab calls it."""
        return self.names[number] if "/versions" in self.folder else f"users.{self.names[number]}"


ALEMBIC_ADDED = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade():
    op.execute("SET lock_timeout = '5s'")
    op.add_column("users", sa.Column("email", sa.Text, server_default="", nullable=False))
"""
ALEMBIC = Tool(
    "shop:app", "migrations", "postgresql+psycopg", "flask db upgrade",
    {
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
        "shop/health.py": """
from sqlalchemy import text
from shop import app, db


def check():
    with app.app_context():
        db.session.execute(text("SELECT name FROM users LIMIT 1"))
""",
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
    },
    ("0001_users", "0002_email", "0003_no"), ALEMBIC_ADDED,
    ALEMBIC_ADDED.replace('"0002", "0001"', '"0003", "0002"').replace("op.add_column", "1 / 0\n    op.add_column"),
    "migrations/versions", ("flask", "db", "current"), "SELECT version_num FROM alembic_version", "ZeroDivisionError",
)  # fmt: skip
DJANGO_ADDED = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0001_users")]
    operations = [
        migrations.RunSQL("SET lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddField("user", "email", models.TextField(db_default="")),
    ]
"""
DJANGO = Tool(
    "shop.wsgi:application", "users", "postgresql", "python manage.py migrate --noinput",
    {
        "requirements.txt": "django==5.2.7\npsycopg[binary]==3.2.10\n",
        "manage.py": """
import os
import sys
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
""",
        "shop/__init__.py": "",
        "shop/settings.py": """
import os
from urllib.parse import urlsplit

url = urlsplit(os.environ["DATABASE_URL"])
SECRET_KEY = "of-a-test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["users"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": url.username, "HOST": url.hostname, "CONN_MAX_AGE": 60,
}}
""",
        "shop/urls.py": """
from django.http import HttpResponse
from django.urls import path
from users.models import User


def home(request):
    User.objects.create(name="ann")
    return HttpResponse("one")


urlpatterns = [path("", home)]
""",
        "shop/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
        "shop/health.py": """
from django.db import connection


def check():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM users_user LIMIT 1")
""",
        "users/__init__.py": "",
        "users/models.py": "from django.db import models\n\n\nclass User(models.Model):\n    name = models.TextField()\n",
        "users/migrations/__init__.py": "",
        "users/migrations/0001_users.py": """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("User", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())]),
    ]
""",
    },
    ("0001_users", "0002_email", "0003_no"), DJANGO_ADDED,
    DJANGO_ADDED.replace("0001_users", "0002_email").replace('"email"', '"phone"').replace(
        "    operations = [", '    operations = [\n        migrations.RunPython(lambda *_: 1 / 0),'
    ),
    "users/migrations", ("python", "manage.py", "showmigrations", "--plan"),
    "SELECT max(name) FROM django_migrations WHERE app = 'users'", "ZeroDivisionError",
)  # fmt: skip


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tool", [ALEMBIC, DJANGO], ids=["alembic", "django"])
def test_a_database_is_migrated_once_under_traffic(make_shop: Callable[[int], Any], packages: Any, tool: Tool) -> None:
    """From an empty one on, with a check that needs what is new. What fails leaves the old release on all hosts, and a way back says what
    it will meet."""
    shop = make_shop(2)
    packages.postgres(shop.shell)
    words = {"app": tool.app, "include": tool.include, "scheme": tool.scheme, "migrate": tool.migrate}
    shop.write(**tool.files, **COMMON, **{"deploy/config.yaml": CONFIG.format(address=shop.hosts[0].address, **words)})
    shop.fab("lock")
    shop.write()
    assert f"1 pending, for raab has migrated this database by no release yet: {tool.pending(0)}" in shop.fab("plan")
    first = json.loads(shop.run(*shop.words("deploy", "--json")))
    assert first["migrated"]["pending"] == [tool.pending(0)] and not first["migrated"]["failed"]
    assert tool.names[0].startswith(shop.sql(tool.last))
    added, failing = (f"{tool.folder}/{name}.py" for name in tool.names[1:])
    shop.write(**{added: tool.added, "shop/health.py": tool.files["shop/health.py"].replace("SELECT name", "SELECT email")})
    if tool is DJANGO:
        shop.add("users/models.py", '    email = models.TextField(db_default="")\n')
    assert f"1 pending: {tool.pending(1)}" in shop.fab("plan")
    with shop.load() as load:
        shop.fab("deploy")
        assert tool.names[1].startswith(shop.fab("run", "--", *tool.current).replace("users.", "").split("[X]")[-1].split()[0])
        shop.write(**{failing: tool.failing})
        said = shop.fab("deploy", expect=4)
        assert tool.failure in said and f"`{tool.migrate}` has failed" in said
        shop.fab("status")
        assert f"does not know: {tool.pending(1)}" in shop.fab("rollback")
    assert load.account.total > 100 and not load.account.failures, load.account.line()
    assert tool.names[1].startswith(shop.sql(tool.last))
    assert [line.split()[-2] for line in shop.fab("history").splitlines() if " migrate " in line].count("migrated") == 4
