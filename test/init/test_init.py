"""`raab init` in projects of many shapes; nothing is asked of an index."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from raab.asked.command import main
from raab.init import candidates
from raab.init.command import called
from raab.project import description

Make = Callable[[dict[str, str]], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)

    def made(files: dict[str, str]) -> Path:
        root = tmp_path / "my_shop"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    return made


FLASK = "from flask import Flask\n"
READY = f"{FLASK}app = Flask('x')\n"
ASGI = "class App:\n    async def __call__(self, scope, receive, send): pass\napp = App()\n"
FACTORY = f"{FLASK}def create_app(config=None):\n    return Flask(__name__)\n"
MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', '{}')\n"
GIVEN = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
SHAPES: dict[str, tuple[dict[str, str], str]] = {
    "a single file": ({"app.py": f"{FLASK}app = Flask(__name__)\n"}, "app:app"),
    "a file of the project's name": ({"hello.py": f"{FLASK}hello = Flask(__name__)\n"}, "hello:hello"),
    "a factory in a package": ({"shop/__init__.py": FACTORY}, "shop:create_app()"),
    "a factory, and wsgi.py that calls it": (
        {"shop/__init__.py": FACTORY, "wsgi.py": "from shop import create_app\napp = create_app()\n"},
        "wsgi:app",
    ),
    "a factory in src": ({"src/shop/__init__.py": FACTORY}, "shop:create_app()"),
    "a package's app.py": ({"shop/__init__.py": "", "shop/app.py": f"{FLASK}app = Flask(__name__)\n"}, "shop.app:app"),
    "bottle": ({"main.py": "import bottle\napp = bottle.default_app()\n"}, "main:app"),
    "falcon": ({"things.py": "import falcon\napp = falcon.App()\n"}, "things:app"),
    "a Django project": (
        {
            "manage.py": MANAGE.format("site1.settings"),
            "site1/wsgi.py": GIVEN,
            "app.py": f"{FLASK}app = Flask(__name__)\n",
        },
        "site1.wsgi:application",
    ),
    "Django's settings beside manage.py": (
        {"manage.py": MANAGE.format("settings"), "settings.py": "", "wsgi.py": GIVEN},
        "wsgi:application",
    ),
    "Django's settings by stage": (
        {"manage.py": MANAGE.format("site1.conf.local"), "site1/conf/local.py": "", "site1/wsgi.py": GIVEN},
        "site1.wsgi:application",
    ),
    "a manage.py that names no settings": (
        {"manage.py": "from site1.server import main\n", "site1/server/wsgi.py": "application = one if many else other\n"},
        "site1.server.wsgi:application",
    ),
    "a function of two": ({"shop/__init__.py": "def application(environ, start_response):\n    ...\n"}, "shop:application"),
    "wsgi.py that imports it": ({"shop/__init__.py": READY, "wsgi.py": "from shop import app as application\n"}, "wsgi:application"),
    "wsgi.py with something around it": ({"wsgi.py": "app = SessionMiddleware(bottle.app(), {})\n"}, "wsgi:app"),
    "with tests and an environment beside it": (
        {
            "tests/app.py": f"{FLASK}app = Flask(__name__)\n",
            ".venv/app.py": "app = Flask()\n",
            "shop/wsgi.py": READY,
        },
        "shop.wsgi:app",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_application_is_found(shape: str, make: Make) -> None:
    files, wanted = SHAPES[shape]
    assert candidates.find(make(files))[0].target == wanted


def run(root: Path, *words: str) -> int:
    return main(["init", str(root), *words])


def test_it_writes_what_is_missing_and_says_what_it_found(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder that the application makes when it is loaded is proposed as what it writes."""
    root = make({"shop/__init__.py": FACTORY.replace("return Flask(__name__)", "app = Flask(__name__)\n    import os\n    "
                 "os.makedirs(app.instance_path, exist_ok=True)\n    return app"), "requirements.txt": "flask\n"})  # fmt: skip
    assert run(root, "--python", sys.executable) == 0
    said = capsys.readouterr().out
    for words in ("shop:create_app()", "flask, loads here", "as its files", "instance", "SECRET_KEY is not set", "lock         none yet"):
        assert words in said
    assert (root / "deploy/config.yaml").read_text() == "name: my-shop\napp: shop:create_app()\nwritable: [instance]\n"
    assert description.read(root).writable == ("instance",)
    assert (root / "fabfile.py").read_text().count("\n") == 5
    assert {path.name for path in (root / "deploy").iterdir()} == {"config.yaml", "lab.yaml", "production.yaml"}


def test_a_second_time_it_changes_nothing(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    root = make({"app.py": f"{FLASK}app = Flask(__name__)\n", "requirements.txt": "flask\n"})
    run(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    capsys.readouterr()
    assert run(root) == 0
    assert "nothing to write: all of it is there" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts} == before


REFUSED = {
    "none was found": ({"readme.py": "x = 1\n"}, (), "--app module:name"),
    "an ASGI application": (
        {"app.py": ASGI},
        (),
        "raab serves",
    ),
    "one that has none of raab's verbs": ({"app.py": READY, "fabfile.py": "x = 1\n"}, (), "namespace = verbs"),
    "there is one that is not raab's": ({"app.py": READY, "deploy/main.tf": ""}, (), "deploy/config.yaml"),
    "there are several": ({"a/app.py": READY, "b/app.py": READY}, (), "--app a.app:app"),
    "a module that hides one which serves it, got gevent/__init__.py": ({"app.py": READY, "gevent/__init__.py": ""}, (), "rename it"),
    "got yaml.py": ({"src/app.py": READY, "yaml.py": ""}, (), "rename it"),
    "a name that hosts have": ({"app.py": READY}, ("--name", "nginx"), "--name"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_it_cannot_do_is_said_in_two_lines_and_nothing_is_written(why: str, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    files, words, hint = REFUSED[why]
    root = make(files)
    before = {path for path in root.rglob("*") if "__pycache__" not in path.parts}
    words = (*words, "--app", "app:app") if "ASGI" in why else words
    assert run(root, *words) == 2
    said = capsys.readouterr().err
    assert why in said and hint in said and said.count("\n") == 2, said
    assert {path for path in root.rglob("*") if "__pycache__" not in path.parts} == before


def test_an_application_that_does_not_load_here_is_described_all_the_same(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    root = make({"app.py": f"{FLASK}import nowhere_to_be_had\napp = Flask('x')\n"})
    assert run(root) == 0
    said = capsys.readouterr().out
    assert "does not load here" in said and "No module named 'nowhere_to_be_had' (app.py:2)" in said
    assert (root / "deploy/config.yaml").exists()


MIGRATED = "app = Flask('x')\napp.extensions['migrate'] = 1\napp.config['SQLALCHEMY_DATABASE_URI'] = '{}'\n"


@pytest.mark.parametrize(("url", "own", "said"), [
    ("sqlite:///shop.db", True, "on each host"), ("postgresql://db/shop", False, "once for all hosts"),
])  # fmt: skip
def test_migrations_are_proposed_by_where_the_database_is(
    url: str, own: bool, said: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database server's is the project's; an SQLite file is one of each host."""
    root = make({"app.py": FLASK + MIGRATED.format(url), "migrations/env.py": ""})
    assert run(root, "--python", sys.executable) == 0
    assert f"migrations   flask db upgrade  ({said}" in capsys.readouterr().out
    for name in ("lab", "production"):
        hooks = yaml.safe_load((root / f"deploy/{name}.yaml").read_text()).get("hooks")
        assert hooks == ({"before_activate": {"command": "cd app && flask db upgrade", "timeout": 300}} if own else None)
    migrate = description.read(root).migrate
    assert (migrate and migrate.command) == (None if own else "flask db upgrade")


def test_a_migration_finds_what_lies_in_src(make: Make) -> None:
    """As the service does, which has that folder on its path; on a host each command has."""
    root = make({"src/shop/__init__.py": FLASK + MIGRATED.format("sqlite:///shop.db"), "migrations/env.py": ""})
    assert run(root, "--python", sys.executable) == 0
    assert description.read(root).python_path == ("src", ".")
    assert "cd app && flask db upgrade" in (root / "deploy/lab.yaml").read_text()


DJANGO = """
import types
settings = types.SimpleNamespace(SETTINGS_MODULE="site1.settings", DEBUG=False, SECRET_KEY="x", ALLOWED_HOSTS=["*"], MEDIA_ROOT="",
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, STATIC_ROOT="static", INSTALLED_APPS=[])
class Application:
    def __call__(self, environ, start_response): ...
"""


def test_djangos_commands_are_run_by_the_manage_py_that_is_there(make: Make) -> None:
    """Django itself is asked in test/lab/deploy/test_projects.py."""
    wsgi = "from django.conf import Application\napplication = Application()\n"
    manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')\n"
    root = make({"src/manage.py": manage, "src/site1/wsgi.py": wsgi, "django/__init__.py": "", "django/conf.py": DJANGO})
    assert run(root, "--python", sys.executable) == 0
    assert description.read(root).build == ("python src/manage.py collectstatic --noinput",)
    migrate = description.read(root).migrate
    assert migrate and migrate.command == "python src/manage.py migrate --noinput"


def test_a_folder_with_a_files_name_is_proposed_as_one(make: Make) -> None:
    root = make({"app.py": f"{FLASK}app = Flask('x')\napp.config['UPLOAD_FOLDER'] = 'data.v1'\n"})
    assert run(root, "--python", sys.executable) == 0
    assert description.read(root).writable == ("data.v1/",)


def test_a_configuration_of_gunicorns_is_nobodys_module(make: Make) -> None:
    assert run(make({"app.py": READY, "gunicorn.py": "workers = 2\n", "yaml/notes.py": ""})) == 0


def test_git_is_told_not_to_see_what_is_built(make: Make) -> None:
    root = make({"app.py": READY, ".gitignore": "*.log"})
    subprocess.run(("git", "init", "-q"), cwd=root, check=True)
    run(root)
    assert (root / ".gitignore").read_text() == "*.log\n/build/raab/\n"


def test_leaving_takes_nothing_but_the_files_that_were_written(make: Make) -> None:
    """The project never needed raab to load, and without what was written it is what it was."""
    root = make({"shop/__init__.py": FACTORY, "requirements.txt": "flask\n", ".gitignore": "*.log\n__pycache__/\n"})
    for words in (("init", "-q"), ("add", "-A"), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")):
        subprocess.run(("git", *words), cwd=root, check=True)
    run(root)
    without = "import sys; sys.modules.update(raab=None, handover=None, http1=None, gunicorn=None); import shop; shop.create_app()"
    subprocess.run((sys.executable, "-c", without), cwd=root, check=True)
    shutil.rmtree(root / "deploy")
    (root / "fabfile.py").unlink()
    differs = subprocess.run(("git", "diff", "--unified=0"), cwd=root, check=True, capture_output=True, text=True).stdout
    assert [line for line in differs.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")] == ["+/build/raab/"]
    assert subprocess.run(("git", "status", "--short"), cwd=root, check=True, capture_output=True, text=True).stdout == " M .gitignore\n"


@pytest.mark.parametrize(("name", "wanted"), [("My Shop", "my-shop"), ("shop_2.web", "shop-2-web"), ("x" * 60, "x" * 31)])
def test_it_is_called_like_the_project_in_a_services_letters(name: str, wanted: str, make: Make) -> None:
    assert called(make({"pyproject.toml": f'[project]\nname = "{name}"\n'})) == wanted


def test_what_lies_outside_of_the_project_is_said_and_not_proposed(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that a restart of the service would forget, and static files that come to no host."""
    wsgi = "from django.conf import Application\napplication = Application()\n"
    django = DJANGO.replace(
        'STATIC_ROOT="static", INSTALLED_APPS=[]', 'STATIC_ROOT="/srv/s", INSTALLED_APPS=["django.contrib.staticfiles"]'
    )
    django = django.replace('backends.postgresql"', 'backends.sqlite3", "NAME": "/tmp/shop.db"')
    root = make({"manage.py": MANAGE.format("site1.settings"), "site1/wsgi.py": wsgi, "django/__init__.py": "", "django/conf.py": django})
    assert run(root, "--python", sys.executable) == 0
    said = capsys.readouterr().out
    assert "STATIC_ROOT lies outside of the project, got /srv/s: what is collected there comes to no host" in said
    assert (
        "each host has its own, outside of the project, got /tmp/shop.db: on a host only the service's folder below /var/lib lasts" in said
    )
    found = description.read(root)
    assert (found.build, found.include, found.writable) == ((), (), ())


def test_a_module_called_like_one_of_pythons_own_is_named(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """What is loaded before the application decides which of the two is had, and a host loads more; no module hides nothing."""
    files = {"app.py": READY, "queue.py": "", "email/__init__.py": "", "test/__init__.py": "", "calendar/a.txt": ""}
    assert run(make(files)) == 0
    assert "problem      email/__init__.py, queue.py: called like a module of Python's own" in capsys.readouterr().out
