"""Projects that nobody here wrote, deployed by `raab init` and `fab deploy` as they are: a page, a form, a file written, and a deploy and
a rollback under traffic of which no request is lost."""

from __future__ import annotations

import http.cookiejar
import os
import re
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uv

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

LOCKED = Path(__file__).with_name("projects.lock")
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Foreign:
    """A project in `root`, on one host of the lab; `by_hand` counts the lines that were written for raab beyond what `raab init` wrote."""

    root: Path
    name: str
    lab: str
    host: LabHost
    shell: Shell
    python: str = sys.executable

    def run(self, *words: str) -> str:
        environ = {**os.environ, "RAAB_LAB": self.lab, "PATH": f"{Path(self.python).parent}:{os.environ['PATH']}"}
        environ["VIRTUAL_ENV"] = str(Path(self.python).parents[1])
        done = subprocess.run(words, cwd=self.root, env=environ, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fab(self, verb: str) -> str:
        return self.run(str(BIN / "fab"), verb, "--hosts", self.host.name)

    def init(self, *words: str) -> str:
        return self.run(str(BIN / "raab"), "init", "--python", self.python, *words)

    def commit(self) -> None:
        for words in (("add", "-A"), ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one")):
            self.run("git", *words)

    def as_service(self, command: str) -> str:
        """A command of the application's own, in its root and as its user."""
        place = f"cd /opt/{self.name}/current/app && PATH=/opt/{self.name}/current/venv/bin:$PATH"
        return self.shell.run(f"{place} setpriv --reuid={self.name} --regid={self.name} --init-groups {command}").out

    def handed_over(self, path: str, change: Callable[[], None]) -> None:
        """A deploy of a change and a rollback, with traffic on a path all the while."""
        for act in (lambda: (change(), self.commit(), self.fab("deploy")), lambda: self.fab("rollback")):
            with Load([(self.host.address, 8000)], Mix(fresh=20, reused=20, path=path)) as load:
                act()
            assert load.account.total > 40 and not load.account.failures, load.account.line()


class Browser:
    """Keeps cookies, follows redirects, finds a form's token."""

    def __init__(self, address: str) -> None:
        self.base = f"http://{address}:8000"
        self.open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())).open

    def get(self, path: str) -> str:
        with self.open(self.base + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> str:
        data = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.base + path, data, {"Referer": self.base + path})
        with self.open(request, timeout=30) as answer:
            return str(answer.read().decode())


@pytest.fixture
def foreign(lab: Any, tmp_path: Path) -> Callable[..., Foreign]:
    """A project of the files in a folder, committed, and a host without a past."""
    host = lab.fresh()

    def made(name: str, python: str = sys.executable) -> Foreign:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        one = Foreign(root, name, lab.lab.name, host, lab.shell(host), python)
        one.run("git", "init", "-q")
        return one

    return made


@pytest.fixture
def fetched(tmp_path: Path) -> Callable[[str], Path]:
    """A distribution of the index, by the hash that is committed here."""

    def fetch(name: str) -> Path:
        (line,) = (line for line in LOCKED.read_text().splitlines() if line.startswith(f"{name}=="))
        (tmp_path / "one.txt").write_text(line)
        kind = "--no-binary=:all:" if name == "flask" else "--only-binary=:all:"
        words = ("-m", "pip", "download", "-q", "--no-deps", "--require-hashes", kind, "-d", str(tmp_path / "fetched"), "-r", "one.txt")
        subprocess.run((sys.executable, *words), cwd=tmp_path, check=True, capture_output=True, timeout=200)
        return next((tmp_path / "fetched").glob(f"{name}-*"))

    return fetch


def example(sdist: Path, name: str, target: Path) -> None:
    """One of the applications that Flask's sdist has in its folder of examples."""
    with tarfile.open(sdist) as tar:
        for member in tar.getmembers():
            below = member.name.partition(f"/examples/{name}/")[2]
            if below and member.isfile():
                (target / below).parent.mkdir(parents=True, exist_ok=True)
                file = tar.extractfile(member)
                assert file is not None
                (target / below).write_bytes(file.read())


def test_flasks_tutorial_is_served_as_it_is(foreign: Callable[..., Foreign], fetched: Callable[[str], Path]) -> None:
    """A package with a factory and a database in its instance folder; not a line is written by hand."""
    project = foreign("flaskr")
    example(fetched("flask"), "tutorial", project.root)
    project.commit()
    said = project.init()
    assert "flaskr:create_app()" in said and "as its wheel" in said
    assert (project.root / "deploy/config.yaml").read_text() == "name: flaskr\napp: flaskr:create_app()\nwritable: [instance]\n"
    project.commit()
    project.fab("deploy")
    project.as_service("flask --app flaskr init-db")
    browser = Browser(project.host.address)
    assert "font-family" in browser.get("/static/style.css")
    browser.post("/auth/register", username="ann", password="secret")
    assert "ann" in browser.post("/auth/login", username="ann", password="secret")
    assert "First post" in browser.post("/create", title="First post", body="written")
    page = project.root / "flaskr/templates/base.html"
    project.handed_over("/", lambda: (page.write_text(page.read_text().replace("<h1>", "<h1>The ")), None)[1])
    # What was written belongs to no release.
    assert "First post" in browser.get("/") and "Log Out" in browser.get("/")
    assert project.shell.run("readlink /opt/flaskr/current/app/instance").out.strip() == "/var/lib/flaskr/instance"


@pytest.mark.prove
def test_a_project_without_setup_files_and_with_an_old_flask(foreign: Callable[..., Foreign], fetched: Callable[[str], Path]) -> None:
    """Its code travels as its files, and its own pins decide."""
    project = foreign("js-example")
    example(fetched("flask"), "javascript", project.root)
    (project.root / "pyproject.toml").unlink()
    (project.root / "requirements.txt").write_text("flask==2.2.5\nwerkzeug==2.2.3\n")
    project.commit()
    said = project.init()
    assert "js_example:app" in said and "as its files" in said
    project.commit()
    project.fab("deploy")
    browser = Browser(project.host.address)
    assert '"result":5.0' in browser.post("/add", a="2", b="3").replace(" ", "")
    assert project.as_service("python -c 'import flask; print(flask.__version__)'").strip() == "2.2.5"
    page = project.root / "js_example/templates/fetch.html"
    project.handed_over("/", lambda: (page.write_text(page.read_text() + "<!-- changed -->\n"), None)[1])


SETTINGS = """
ALLOWED_HOSTS = ["*"]
DEBUG = False
STATIC_ROOT = BASE_DIR / "staticfiles"
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
"""


@pytest.mark.prove
def test_a_django_project_is_migrated_and_logged_in_to(
    foreign: Callable[..., Foreign], fetched: Callable[[str], Path], tmp_path: Path
) -> None:
    """As `startproject` makes it, with what Django's own checklist for deployments asks of its settings. Static files are collected here,
    the database is migrated on the host; nothing is written by hand for raab."""
    venv = tmp_path / "venv"
    subprocess.run((uv.find_uv_bin(), "venv", "-q", "--python", sys.executable, str(venv)), check=True)
    words = ("pip", "install", "-q", "--python", str(venv / "bin/python"), str(fetched("django")), "whitenoise==6.11.0")
    subprocess.run((uv.find_uv_bin(), *words), check=True)
    project = foreign("site1", str(venv / "bin/python"))
    project.run("django-admin", "startproject", "mysite", ".")
    with (project.root / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    (project.root / "requirements.txt").write_text("django==5.2.7\nwhitenoise==6.11.0\n")
    (project.root / ".gitignore").write_text("*.sqlite3\n__pycache__/\nstaticfiles/\n")
    said = project.init()
    assert "mysite.wsgi:application" in said and "django, loads here" in said
    assert "on each host, for its SQLite file" in said
    # A command of the framework's own finds the project by its variable alone.
    with (project.root / "deploy/lab.yaml").open("a") as environment:
        environment.write('  after_activate: {command: "cd $RAAB_RELEASE_DIR/app && ../venv/bin/python -m django check", timeout: 60}\n')
    project.commit()
    project.fab("deploy")
    browser = Browser(project.host.address)
    assert len(browser.get("/static/admin/css/base.css")) > 1000
    project.as_service(
        "env DJANGO_SUPERUSER_PASSWORD=secret python manage.py createsuperuser --noinput --username ann --email a@example.org"
    )
    (token,) = re.findall('name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/admin/login/"))
    said = browser.post("/admin/login/?next=/admin/", username="ann", password="secret", csrfmiddlewaretoken=token)
    assert "Site administration" in said
    urls = project.root / "mysite/urls.py"
    project.handed_over("/admin/login/", lambda: (urls.write_text(urls.read_text() + "\n# changed\n"), None)[1])
    assert "Site administration" in browser.get("/admin/")
