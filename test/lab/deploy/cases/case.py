"""One case: what is so, what is typed, and what comes of it. Each family is a file beside this one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEPLOY = "fab deploy --hosts {host}"


@dataclass
class Stage:
    """Where a case is played: a copy of the project and a host that serves a release of it. What is changed on the host is put back by
    the commands in `afterwards`, last one first."""

    project: Any
    host: Any
    shell: Any
    afterwards: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return Path(self.project.root)

    def write(self, name: str, text: str | bytes) -> Path:
        """A file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text, (name, old)
        self.write(name, text.replace(old, new))

    def environment(self, **lines: str) -> None:
        """deploy/case.yaml: the host as it is, with other or more lines."""
        plain = {"hosts": f"{{h1: {{address: {self.host.address}}}}}", "identity": self.host.key, "known_hosts": self.host.known_hosts}
        self.write("deploy/case.yaml", "".join(f"{key}: {value}\n" for key, value in {**plain, "ssh_config": "none", **lines}.items()))

    def git(self, *words: str) -> None:
        """In the project, as somebody."""
        command = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main", *words)
        subprocess.run(command, cwd=self.root, check=True, capture_output=True)

    def key(self, name: str, *words: str) -> Path:
        """A new key of nobody's."""
        path = self.root.parent / name
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, *words), check=True)
        return path

    def there(self, command: str, back: str) -> None:
        """Change the host, and have it put back."""
        self.afterwards.append(back)
        self.shell.run(command)


@dataclass(frozen=True)
class Case:
    """`line` is what is typed, in the project's folder, with `{host}` for the host's name; `code` its exit code; `text` a part of what it
    says. `serves` is what the host serves afterwards: `before`, `new`, or `either`, one of both, complete. `at` is a step of the deploy and
    the signal that it then gets. `quick` are those that every test run has."""

    family: str
    name: str
    make: Callable[[Stage], None]
    line: str
    code: int
    text: str
    serves: str
    at: tuple[str, signal.Signals] | None
    quick: bool


CASES: list[Case] = []


def case(
    family: str,
    name: str,
    code: int,
    text: str,
    line: str = DEPLOY,
    serves: str = "before",
    at: tuple[str, signal.Signals] | None = None,
    quick: bool = False,
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Put a case into the table; the function makes it so."""

    def decorate(make: Callable[[Stage], None]) -> Callable[[Stage], None]:
        CASES.append(Case(family, name, make, line, code, text, serves, at, quick))
        return make

    return decorate


def as_it_is(_: Stage) -> None:
    """Nothing has to be made so."""
