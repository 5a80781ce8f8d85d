"""`python -I -m raab.launch WORD...` of a release: become that command, with the release's secrets as variables of their names.

Standard library only. It runs as the service's user, for whom alone systemd has laid the secrets down ($CREDENTIALS_DIRECTORY); they are in
no words of any command. The processes that serve take them by `take` (gunicorn.py).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, MutableMapping, Sequence
from pathlib import Path

from raab.errors import RaabError
from raab.release import release_folder

# As the unit has systemd name what lies in the two folders (raab.service, LoadCredential=, LoadCredentialEncrypted=). What a host gives by
# the very name, in a drop-in, counts before both.
PREFIXES = ("", "raab_", "sealed_")


def take(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set a variable for each secret that the release of this code names. One that is set already is the host's own word, and stays.

    Raises RaabError for a secret that systemd has not given.
    """
    names = [name for name in declared() if name not in environ]
    folder = Path(environ.get("CREDENTIALS_DIRECTORY") or "/nowhere")
    environ.update(read(folder, names))


def declared() -> tuple[str, ...]:
    """None outside of a release."""
    folder = release_folder()
    return tuple(json.loads((folder / "manifest.json").read_bytes()).get("secrets", ())) if folder else ()


def read(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The secrets of these names. Editors and `echo` end a file with a newline that is no part of what they hold."""
    found, missing = {}, []
    for name in names:
        file = next((file for prefix in PREFIXES if (file := folder / f"{prefix}{name}").is_file()), None)
        if file is None:
            missing.append(name)
        else:
            found[name] = os.fsdecode(file.read_bytes()).rstrip("\r\n")
    if missing:
        raise RaabError(f"secrets: this host does not have them, got none for {', '.join(missing)}", f"fab secrets set {missing[0]}")
    return found


def main(words: Sequence[str]) -> int:
    """Never returns but for what cannot be: 2 without a secret, 127 or 126 for a command that is not there or cannot be run."""
    try:
        take()
        os.execvp(words[0], list(words))
    except RaabError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{words[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
