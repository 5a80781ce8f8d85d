"""An application with all that one has: logins, a database with migrations, a queue of mails, translations. Redis, PostgreSQL and a server
of mails are the host's, and real."""

from __future__ import annotations

import time
from typing import Any

import pytest

REQUIREMENTS = (
    "flask==3.1.3", "flask-babel==4.0.0", "flask-login==0.6.3", "flask-migrate==4.1.0", "flask-sqlalchemy==3.1.1",
    "psycopg[binary]==3.2.10", "redis==8.1.0", "rq==2.12.0",
)  # fmt: skip
APP = """
import os
from flask import Flask, redirect, request
from flask_babel import Babel, gettext
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from rq import Queue
from werkzeug.security import check_password_hash, generate_password_hash

db, manager, mails = SQLAlchemy(), LoginManager(), Queue("mails", connection=Redis())


class User(db.Model, UserMixin):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.Text, unique=True)
    password = db.Column(db.Text)


class Post(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    author = db.Column(db.Text)
    text = db.Column(db.Text)
# more columns


@manager.user_loader
def load(number):
    return db.session.get(User, int(number))


def create_app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY", "one-for-the-developer-alone")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "postgresql+psycopg://localhost/board")
    db.init_app(app)
    manager.init_app(app)
    Migrate(app, db)
    Babel(app, locale_selector=lambda: request.accept_languages.best_match(["en", "de"]))

    @app.get("/")
    def home():
        who = current_user.name if current_user.is_authenticated else gettext("nobody")
        posts = db.session.scalars(db.select(Post).order_by(Post.id.desc()).limit(3))
        return "\\n".join([gettext("Welcome, %(who)s", who=who), *(f"{post.author}: {post.text}" for post in posts)])

    @app.post("/register")
    def register():
        db.session.add(User(name=request.form["name"], password=generate_password_hash(request.form["password"])))
        db.session.commit()
        return redirect("/", 303)

    @app.post("/login")
    def login():
        user = db.session.scalar(db.select(User).filter_by(name=request.form["name"]))
        if user is None or not check_password_hash(user.password, request.form["password"]):
            return gettext("nobody"), 403
        login_user(user)
        return redirect("/", 303)

    @app.post("/posts")
    @login_required
    def post():
        db.session.add(Post(author=current_user.name, text=request.form["text"]))
        db.session.commit()
        mails.enqueue("board.mails.send", f"{current_user.name}@example.org", request.form["text"])
        return redirect("/", 303)

    return app
"""
MAILS = """
import os
import smtplib
from email.message import EmailMessage


def send(address, subject):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "board@example.org", address, subject
    mail.set_content("Thank you.")
    with smtplib.SMTP(os.environ.get("SMTP_HOST", "localhost"), int(os.environ.get("SMTP_PORT", "25"))) as server:
        server.send_message(mail)
"""
ENV = """
from alembic import context
from flask import current_app

with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("user", *number(), sa.Column("name", sa.Text, unique=True), sa.Column("password", sa.Text))
    op.create_table("post", *number(), sa.Column("author", sa.Text), sa.Column("text", sa.Text))


def number():
    return [sa.Column("id", sa.Integer, primary_key=True)]
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade():
    op.execute("SET lock_timeout = '5s'")
    op.add_column("post", sa.Column("likes", sa.Integer, server_default="0", nullable=False))
"""
# With its day, as pybabel itself writes it: without one pybabel compile puts in the present minute, and each build is another release.
GERMAN = """
msgid ""
msgstr ""
"POT-Creation-Date: 2026-11-01 12:00+0000\\n"
"Language: de\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "nobody"
msgstr "niemand"

msgid "Welcome, %(who)s"
msgstr "Willkommen, %(who)s"
"""
FILES = {
    "requirements.txt": "".join(f"{line}\n" for line in REQUIREMENTS),
    ".gitignore": "*.mo\n",
    "board/__init__.py": APP,
    "board/mails.py": MAILS,
    "board/translations/de/LC_MESSAGES/messages.po": GERMAN,
    "migrations/alembic.ini": "[alembic]\n",
    "migrations/env.py": ENV,
    "migrations/versions/0001_begin.py": FIRST,
}
BY_HAND = (
    "build: [pybabel compile -d board/translations]",
    "include: [board/translations]",
    "secrets: [DATABASE_URL, SECRET_KEY]",
    "env: {SMTP_HOST: 127.0.0.1, SMTP_PORT: 2525}",
    "processes:",
    "  mails: {command: rq worker mails, stop: {seconds: 60}, ready: Listening on}",
)
# Python's own, which writes each mail to its journal.
SERVER = "systemd-run --quiet --unit=mails python3 -u -W ignore -m smtpd -n -c DebuggingServer 127.0.0.1:2525"


def arrived(project: Any, subject: str) -> int:
    """How many mails of that subject."""
    told = project.shell.run("journalctl --unit=mails --output=cat").out
    return sum(line.replace("b'", "").rstrip("'") == f"Subject: {subject}" for line in told.splitlines())


def waited(project: Any, subject: str) -> int:
    end = time.monotonic() + 60
    while not arrived(project, subject) and time.monotonic() < end:
        time.sleep(0.2)
    return arrived(project, subject)


@pytest.fixture
def board(foreign: Any, venv: Any, packages: Any) -> Any:
    """As its developer has it before raab, and a host with what it talks to."""
    project = foreign("board", venv(*REQUIREMENTS))
    for name, text in FILES.items():
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text(text)
    project.commit()
    packages.postgres(project.shell)
    packages.redis(project.shell)
    project.shell.run(SERVER)
    return project


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_whole_application_takes_six_lines(board: Any) -> None:
    """From `raab init` to its pages, its mails and its migrations; a deploy with a migration and a rollback under traffic lose nothing."""
    said = board.init()
    assert "board:create_app()" in said and "flask db upgrade" in said and "problem" not in said
    board.write("deploy/config.yaml", *BY_HAND)
    board.commit()
    board.fab("secrets", "set", "SECRET_KEY", stdin="of-this-test-alone-and-long\n")
    board.fab("secrets", "set", "DATABASE_URL", stdin="postgresql+psycopg://shop@127.0.0.1/shop\n")
    board.fab("deploy")
    browser = board.browser()
    assert browser.get("/").startswith("Welcome, nobody")
    browser.post("/register", name="ann", password="secret")
    assert browser.post("/login", name="ann", password="secret").startswith("Welcome, ann")
    assert "ann: first post" in browser.post("/posts", text="first post")
    assert waited(board, "first post") == 1
    browser.headers["Accept-Language"] = "de-DE,de;q=0.9"
    assert browser.get("/").startswith("Willkommen, ann")
    # What is compiled anew is the same, and the release with it.
    assert "nothing" in board.fab("plan")
    board.handed_over("/", lambda: migrate(board, browser), most=len(BY_HAND))
    # The session, the post and the mail of the release before; the database stays as the newer one wanted it.
    assert "ann: during it" in browser.get("/") and "ann: after it" in browser.post("/posts", text="after it")
    assert [waited(board, subject) for subject in ("first post", "during it", "after it")] == [1, 1, 1]
    assert [line.split()[-2] for line in board.fab("history").splitlines() if " migrate " in line] == ["migrated"] * 2
    shown = "/usr/lib/postgresql/15/bin/psql -h 127.0.0.1 -U shop -tA shop -c 'SELECT version_num FROM alembic_version'"
    assert board.shell.run(shown).out.strip() == "0002"


def migrate(board: Any, browser: Any) -> None:
    """What the next release has, and a mail that waits for its worker."""
    (board.root / "migrations/versions/0002_more.py").write_text(SECOND)
    init = board.root / "board/__init__.py"
    init.write_text(init.read_text().replace("# more columns", '    likes = db.Column(db.Integer, server_default="0", nullable=False)'))
    browser.post("/posts", text="during it")
