"""Projects that nobody here wrote, deployed by `raab init` and `fab deploy` as they are: a page, a form, a file written, and a deploy and
a rollback under traffic of which no request is lost. Their sources are fetched from the index, by the hashes in projects.lock."""

from __future__ import annotations

import base64
import http.cookiejar
import os
import re
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
# uv's own, which a home of the test's would hide.
CACHE = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache/uv")


@dataclass(frozen=True)
class Foreign:
    """A project in `root`, on one host of the lab; `by_hand` has the lines that were written for raab beyond what `raab init` wrote."""

    root: Path
    name: str
    lab: str
    host: LabHost
    shell: Shell
    python: str = sys.executable
    by_hand: list[str] = field(default_factory=list)

    def write(self, file: str, *lines: str) -> None:
        """What a person adds to a file of the project."""
        with (self.root / file).open("a") as opened:
            opened.writelines(f"{line}\n" for line in lines)
        self.by_hand.extend(lines)

    def on_host(self, file: str, *lines: str) -> None:
        """What an operator writes there before the first deploy."""
        self.shell.run(f"mkdir -p {Path(file).parent} && cat >{file}", stdin="".join(f"{line}\n" for line in lines).encode())
        self.by_hand.extend(lines)

    def browser(self) -> Browser:
        return Browser(self.host.address)

    def run(self, *words: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> str:
        """`environ` has more variables of the person's own."""
        mine = {**os.environ, "RAAB_LAB": self.lab, "PATH": f"{Path(self.python).parent}:{os.environ['PATH']}", **(environ or {})}
        mine |= {"VIRTUAL_ENV": str(Path(self.python).parents[1]), "HOME": str(self.root.parent / "home"), "UV_CACHE_DIR": CACHE}
        done = subprocess.run(words, cwd=self.root, env=mine, input=stdin, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fab(self, *words: str, stdin: str = "") -> str:
        return self.run(str(BIN / "fab"), *words, "--hosts", self.host.name, stdin=stdin)

    def init(self, *words: str, environ: Mapping[str, str] | None = None) -> str:
        return self.run(str(BIN / "raab"), "init", "--python", self.python, *words, environ=environ)

    def changed(self, file: str) -> Callable[[], None]:
        """Makes a change that changes nothing but the release."""

        def change() -> None:
            (self.root / file).write_text((self.root / file).read_text() + "\n")

        return change

    def commit(self) -> None:
        for words in (("add", "-A"), ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one")):
            self.run("git", *words)

    def as_service(self, command: str) -> str:
        """A command of the application's own, in its root and as its user."""
        place = f"cd /opt/{self.name}/current/app && PATH=/opt/{self.name}/current/venv/bin:$PATH"
        return self.shell.run(f"{place} setpriv --reuid={self.name} --regid={self.name} --init-groups {command}").out

    def handed_over(self, path: str, change: Callable[[], None], most: int = 5) -> None:
        """A deploy of a change and a rollback, with traffic on a path all the while; `most` lines have been written by hand."""
        for act in (lambda: (change(), self.commit(), self.fab("deploy")), lambda: self.fab("rollback")):
            with Load([(self.host.address, 8000)], Mix(fresh=20, reused=20, path=path)) as load:
                act()
            assert load.account.total > 40 and not load.account.failures, load.account.line()
        assert len(self.by_hand) <= most, self.by_hand


class Browser:
    """Keeps cookies, follows redirects, finds a form's token."""

    def __init__(self, address: str) -> None:
        self.base = f"http://{address}:8000"
        self.headers: dict[str, str] = {}
        self.open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())).open

    def get(self, path: str) -> str:
        return self.raw(path).decode()

    def raw(self, path: str) -> bytes:
        with self.open(urllib.request.Request(self.base + path, headers=self.headers), timeout=30) as answer:
            return bytes(answer.read())

    def login(self, name: str, password: str) -> None:
        """By the header, from now on."""
        self.headers["Authorization"] = f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"

    def token(self, name: str, path: str) -> str:
        """What a page's form has against forgery."""
        field = re.search(rf'<input[^>]*name="{name}"[^>]*>', self.get(path))
        found = re.search(r'value="([^"]+)"', field[0]) if field else None
        assert found, f"{path} has no {name}"
        return found[1]

    def send(self, method: str, path: str, body: bytes, kind: str) -> Mapping[str, str]:
        """The headers of the answer, by small letters."""
        request = urllib.request.Request(self.base + path, body, {**self.headers, "Content-Type": kind}, method=method)
        with self.open(request, timeout=30) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}

    def post(self, path: str, **fields: str) -> str:
        data = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.base + path, data, {"Referer": self.base + path})
        with self.open(request, timeout=30) as answer:
            return str(answer.read().decode())


@pytest.fixture
def foreign(lab: Any, tmp_path: Path) -> Iterator[Callable[..., Foreign]]:
    """A project of the files in a folder, committed, and a host without a past, which it has no future on either."""
    host = lab.fresh()

    def made(name: str, python: str = sys.executable) -> Foreign:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        one = Foreign(root, name, lab.lab.name, host, lab.shell(host), python)
        one.run("git", "init", "-q")
        return one

    yield made
    lab.fresh()


@pytest.fixture
def fetched(tmp_path: Path) -> Callable[[str], Path]:
    """A distribution of the index, by the hash that is committed here."""

    def fetch(name: str) -> Path:
        (line,) = (line for line in LOCKED.read_text().splitlines() if line.startswith(f"{name}=="))
        (tmp_path / "one.txt").write_text(line)
        kind = "--only-binary=:all:" if name == "django" else f"--no-binary={name}"
        words = ("-m", "pip", "download", "-q", "--no-deps", "--require-hashes", kind, "-d", str(tmp_path / "fetched"), "-r", "one.txt")
        subprocess.run((sys.executable, *words), cwd=tmp_path, check=True, capture_output=True, timeout=200)
        return next((tmp_path / "fetched").glob(f"{name}-*"))

    return fetch


@pytest.fixture
def unpacked(fetched: Callable[[str], Path]) -> Callable[[str, str, Path], None]:
    """An sdist, or a folder of it, as a project."""

    def unpack(name: str, folder: str, target: Path) -> None:
        with tarfile.open(fetched(name)) as tar:
            for member in tar.getmembers():
                whole = member.name.partition("/")[2]
                below = whole.partition(f"{folder}/")[2] if folder else whole
                if below and member.isfile() and whole.startswith(folder):
                    (target / below).parent.mkdir(parents=True, exist_ok=True)
                    file = tar.extractfile(member)
                    assert file is not None
                    (target / below).write_bytes(file.read())

    return unpack


@pytest.fixture
def venv(tmp_path: Path) -> Callable[..., str]:
    """The Python of an environment with these packages."""

    def made(*packages: str) -> str:
        home = tmp_path / "venv"
        subprocess.run((uv.find_uv_bin(), "venv", "-q", "--python", sys.executable, str(home)), check=True)
        words = ("pip", "install", "-q", "--python", str(home / "bin/python"), *packages)
        subprocess.run((uv.find_uv_bin(), *words), check=True, timeout=280)
        return str(home / "bin/python")

    return made
