"""The secrets of a service on this host: files in two folders, of which systemd hands over what is in them. Standard library only.

A value goes from a pipe into a file, and into no words of a command.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from raab import exitcodes, variable
from raab.errors import RaabError
from raab.host.durable import sync_directory, write_durably
from raab.host.paths import Paths
from raab.host.releases import current_release, describe
from raab.host.units import claim, sandbox
from raab.protocol.service import Stored

# As the unit has systemd name what is in that folder (raab.service); an encrypted credential is valid for this name alone.
SEALED = "sealed_"
_GIVEN = re.compile(r"(?:Load|Set)Credential(?:Encrypted)?=([^:]+)")
_SECONDS = 60


def stored(paths: Paths) -> tuple[Stored, ...]:
    """Those in the two folders, by their names."""
    found = {}
    # The plain one of two of a name is what the service is given (raab.launch).
    for folder, encrypted in ((paths.sealed, True), (paths.secrets, False)):
        for file in folder.glob("*") if folder.is_dir() else ():
            if file.is_file() and not file.name.endswith(".part") and not variable.wrong_stored(file.name):
                found[file.name] = Stored(file.name, encrypted, file.stat().st_mtime)
    return tuple(found[name] for name in sorted(found))


def names(paths: Paths) -> list[str]:
    """What a release of the service is given there, by a drop-in of the host's own, too."""
    lines = [line for file in sandbox.drop_ins(paths.unit, (paths.units, *sandbox.PLACES)) for line in lines_of(file)]
    own = {match[1] for line in lines if (match := _GIVEN.match(line)) and not variable.wrong(match[1])}
    return sorted(own.union(one.name for one in stored(paths)))


def lines_of(file: Path) -> Iterator[str]:
    with suppress(OSError):
        yield from sandbox.assignments(file.read_text(encoding="utf-8", errors="replace").splitlines())


def put(paths: Paths, name: str, content: bytes) -> bool:
    """Have the service find this from its next start or reload on, before the first deploy, too; whether it is encrypted here. Raises
    RaabError where the name is somebody else's, or the host cannot write; what was there is there still."""
    claim.take(paths)
    sealed = encrypted(SEALED + name, content)
    folder, other = (paths.sealed, paths.secrets) if sealed else (paths.secrets, paths.sealed)
    try:
        for one in (folder, other):
            one.mkdir(mode=0o700, exist_ok=True)
            one.chmod(0o700)
        write_durably(folder / name, sealed or content, 0o600)
        take_away(other / name)
    except OSError as error:
        raise RaabError(f"secrets: the host could not write, got: {error.strerror}", "see to the host's disk, then set it again") from error
    return bool(sealed)


def remove(paths: Paths, name: str) -> bool:
    """Whether there was one. Raises RaabError for one without which the next start would fail."""
    current = current_release(paths)
    if current and name in describe(paths.release(current)).secrets:
        problem = f"secrets: the release that is current needs it, got {name} for {paths.name}"
        raise RaabError(problem, "deploy one that does not name it, or `fab secrets set` another value", exitcodes.REFUSED)
    plain, sealed = take_away(paths.secrets / name), take_away(paths.sealed / name)
    return plain or sealed


def take_away(file: Path) -> bool:
    if not file.exists():
        return False
    file.unlink()
    sync_directory(file.parent)
    return True


def encrypted(name: str, content: bytes) -> bytes:
    """By the host's own key (systemd-creds(1)); empty where it has none, or what it has cannot be read again.

    Not by a TPM: what a change of the firmware takes from it, a start after the next reboot would miss.
    """
    sealed = creds(content, "encrypt", "--with-key=host", f"--name={name}")
    return sealed if sealed and creds(sealed, "decrypt", f"--name={name}") == content else b""


def creds(content: bytes, *options: str) -> bytes:
    """What systemd-creds makes of this; empty where it does not."""
    try:
        done = subprocess.run(("systemd-creds", *options, "-", "-"), input=content, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return b"" if done.returncode else done.stdout
