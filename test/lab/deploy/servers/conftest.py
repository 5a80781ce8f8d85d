"""Projects that need a server of their own: redis and PostgreSQL as Debian has them, on a host of the lab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab.shell import Shell
from raab.lab.state import LabHost

BIN = Path(sys.executable).parent
PLACE = "/usr/lib/postgresql/15/bin"


class Shop:
    """A project and its hosts. Its servers are on the first of them."""

    def __init__(self, root: Path, lab: str, hosts: tuple[LabHost, ...], shell: Shell) -> None:
        self.root, self.lab, self.hosts, self.shell = root, lab, hosts, shell
        root.mkdir()
        self.run("git", "init", "-q")

    def run(self, *words: str, expect: int = 0, stdin: str = "") -> str:
        environ = {**os.environ, "RAAB_LAB": self.lab, "PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent)}
        done = subprocess.run(words, cwd=self.root, env=environ, input=stdin, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def raab(self, *words: str) -> str:
        return self.run(str(BIN / "raab"), *words)

    def fab(self, *words: str, expect: int = 0, stdin: str = "") -> str:
        """A verb for these hosts alone, whichever others the lab has."""
        return self.run(*self.words(*words), expect=expect, stdin=stdin)

    def words(self, *words: str) -> tuple[str, ...]:
        hosts = self.hosts[:1] if words[0] == "run" else self.hosts
        options = ("--hosts", ",".join(host.name for host in hosts)) if words[0] != "lock" else ()
        at = words.index("--") if "--" in words else len(words)
        return (str(BIN / "fab"), *words[:at], *options, *words[at:])

    def write(self, **files: str) -> None:
        """Files by their names, and a commit."""
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "more")

    def add(self, name: str, text: str) -> None:
        self.write(**{name: (self.root / name).read_text() + text})

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(**{name: text.replace(old, new)})

    def redis(self, *words: str) -> list[str]:
        return self.shell.run(f"redis-cli {' '.join(words)}").out.split()

    def sql(self, text: str) -> str:
        return self.shell.run(f"{PLACE}/psql -h 127.0.0.1 -U shop -tA shop", stdin=text.encode()).out.strip()

    def load(self, **mix: Any) -> Load:
        return Load([(host.address, 8000) for host in self.hosts], Mix(fresh=10, reused=10, **mix))


@pytest.fixture
def make_shop(lab: Any, tmp_path: Path) -> Iterator[Callable[[int], Shop]]:
    """Makes an empty project for so many bare hosts, which other tests find as bare."""
    made: list[int] = []

    def make(count: int) -> Shop:
        made.extend(range(1, count + 1))
        hosts = tuple(lab.fresh(number) for number in made)
        return Shop(tmp_path / "shop", lab.lab.name, hosts, lab.shell(hosts[0]))

    yield make
    for number in made:
        lab.fresh(number)
