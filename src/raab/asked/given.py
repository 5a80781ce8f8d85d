"""What `raab config` says of the variables and secrets that the service is given, beside its settings. Pure but for a look at a folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from raab.launch import PREFIXES
from raab.settings.secret import MASK
from raab.settings.validation import secretive
from raab.variable import OF_THE_PROCESS

Row = tuple[str, str, str]
ENV = "project.env."
# What systemd itself gives any service (systemd.exec(5), Environment Variables in Spawned Processes), and what Python and a shell make.
_USUAL = re.compile(r"PATH|LANG|LANGUAGE|LC_\w+|HOME|LOGNAME|USER|SHELL|PWD|OLDPWD|SHLVL|_|TERM|RAAB_\w+")
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def with_given(rows: Collection[Row], secrets: Collection[str], environ: Mapping[str, str]) -> Iterator[Row]:
    """The settings' rows (path, value, where it was set) as a process of the service sees them: a variable as it is there, whoever has
    set it last, and what the host adds. A shell's own variables are nobody's affair."""
    if not environ.get("RUNTIME_DIRECTORY"):
        yield from rows
        return
    host = f"the host: systemctl cat {Path(environ['RUNTIME_DIRECTORY']).name}"
    named = {path.removeprefix(ENV) for path, _, _ in rows if path.startswith(ENV)}
    for path, value, where in rows:
        held = environ.get(path.removeprefix(ENV)) if path.startswith(ENV) else None
        yield (path, shown(path, held), host) if held not in (None, value) else (path, value, where)
    for name in sorted(environ.keys() - named - {*secrets}):
        if not OF_THE_PROCESS.fullmatch(name) and not _USUAL.fullmatch(name):
            yield f"environment.{name}", shown(name, environ[name]), host
    folder = Path(environ.get("CREDENTIALS_DIRECTORY") or "/nowhere")
    for name in secrets:
        file = next((f"{prefix}{name}" for prefix in PREFIXES if (folder / f"{prefix}{name}").is_file()), "")
        set_there = (f"secret.{name}", MASK, host) if name in environ else (f"secret.{name}", "", "missing: fab secrets set")
        yield (f"secret.{name}", MASK, f"credential {file}") if file and name not in environ else set_there


def shown(name: str, value: str | None) -> str:
    """Somebody may have put a password into a drop-in."""
    text = value or ""
    return MASK if secretive(name) or _PASSWORD.search(text) else text.replace("\n", "\\n")
