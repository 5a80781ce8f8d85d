"""Beginning a command in the current release of a service. Standard library only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host import systemd
from raab.host.paths import Paths
from raab.host.releases import current_release
from raab.host.running.running import Running
from raab.host.units import launching, sandbox, surroundings
from raab.protocol.streams import Size

# What a framework's own shell is, by the variable that its commands find the project by.
_SHELLS = {"DJANGO_SETTINGS_MODULE": ("python", "-m", "django", "shell"), "FLASK_APP": ("python", "-m", "flask", "shell")}
_UNITS = Path("/run/systemd/system")


def attached(paths: Paths, words: Sequence[str], size: Size | None, term: str) -> Running:
    """A command, or the framework's shell for no words, with somebody there: in a terminal of that size and kind, or with three pipes.
    Raises RaabError where no release is current."""
    release = current(paths)
    lines = f"Environment={sandbox.quoted(f'TERM={term}')}\n" if size and term else ""
    return Running(around(paths, release) + lines, command(release, words), size)


def detached(paths: Paths, words: Sequence[str]) -> str:
    """The name of the unit that it is now, by itself: its output goes to the journal, and its end can be looked up until the next boot.

    Raises RaabError where no release is current.
    """
    release = current(paths)
    name = f"{paths.name}@run-{secrets.token_hex(3)}.service"
    file = _UNITS / name
    file.write_text(
        f"[Unit]\nDescription=a command in {release.name} of {paths.name}\n[Service]\n{around(paths, release)}Type=exec\n"
        f"RemainAfterExit=yes\nSyslogIdentifier={paths.name}\nExecStart={command(release, words)}\n",
        errors="surrogateescape",
    )
    systemd.must("systemctl", "start", name)
    return name


def current(paths: Paths) -> Path:
    name = current_release(paths)
    if not name or not paths.manifest(name).exists():
        raise RaabError(f"run: no release is current on this host, got {paths.current}", "fab deploy", exitcodes.BAD_INPUT)
    return paths.release(name)


def around(paths: Paths, release: Path) -> str:
    return surroundings.of_command(paths, release, surroundings.code(release))


def command(release: Path, words: Sequence[str]) -> str:
    """As systemd is given it: the words as they are, and a shell's own answer to one that is no command."""
    given = map(sandbox.quoted, words or shell(release))
    return " ".join((f":{launching.prefix(release)}/bin/sh -c 'exec \"$@\"' sh", *given))


def shell(release: Path) -> tuple[str, ...]:
    """The framework's; Python's where there is none."""
    found = json.loads((release / "manifest.json").read_bytes()).get("variables", ())
    return next((words for name, words in _SHELLS.items() if any(each.startswith(f"{name}=") for each in found)), ("python",))
