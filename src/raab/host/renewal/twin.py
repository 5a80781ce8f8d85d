"""What a start of the service would get, by systemd's own word: another unit with the same directives is started, and tells it."""

from __future__ import annotations

import base64
import glob
import json
import os
import pwd
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from raab.errors import RaabError
from raab.host import sandbox, systemd
from raab.host.paths import UNIT
from raab.host.renewal.variables import lasting

PYTHON = "/usr/bin/python3"
_UNITS = Path("/run/systemd/system")
_SECONDS = 60
# What systemd makes of User=, unless the unit says something else; the twin has another user.
_OF_THE_USER = ("HOME", "LOGNAME", "SHELL", "USER")
_UNSAID = "raab: unsaid"
_RESULTS = ("Failed with result", "Failed at step", "Main process exited", "Failed to run 'start'")
# As properties of a unit.
_DIRECTIVES = (
    "Environment", "EnvironmentFiles", "PassEnvironment", "UnsetEnvironment", "LoadCredential", "LoadCredentialEncrypted",
    "SetCredential", "SetCredentialEncrypted", "User",
)  # fmt: skip
# The same in its lines, each of which takes back those before when it says nothing.
_RESOLVED = (*(name for name in _DIRECTIVES if name not in ("EnvironmentFiles", "User")), "EnvironmentFile")
# A user that nobody else is: neither the service's processes nor root's files are within reach.
NOBODY = "DynamicUser=yes\nNoNewPrivileges=yes\nWorkingDirectory=/\n" + "".join(
    f'Environment="{name}={_UNSAID}"\n' for name in _OF_THE_USER
)


class Now(NamedTuple):
    """What a start would get: the variables that are the same for each process, and the credentials by name. By the `lines` another unit
    gets the same, as the same user and in the same sandbox."""

    environment: dict[str, str]
    credentials: dict[str, bytes]
    lines: str


def now() -> Now:
    """Asks systemd, after it has read changed unit files, as a reboot would have it. Raises RaabError for a unit that cannot be started,
    and with systemd's reason where it would fail before the service's own first word."""
    load()
    found = directives()
    program = Path(__file__).absolute().with_name("tell.py")
    said, why = run(NOBODY + lines(found), f"{PYTHON} -IS {program}")
    if why:
        missing = [path for path, optional in found["EnvironmentFiles"] if not optional and not glob.glob(path)]  # noqa: PTH207
        why = ", ".join([why, *(f"EnvironmentFile={path}" for path in missing)])
        raise RaabError(f"{UNIT}: a start would fail, got {why}", "correct the unit or its drop-ins: systemctl cat raab")
    variables, credentials = json.loads(said)
    user = of_user(found["User"])
    left = {name: user.get(name, "") if value == _UNSAID else value for name, value in lasting(variables).items()}
    environment = {name: value for name, value in left.items() if value or variables[name] != _UNSAID}
    # The unit's own lines first, which say nothing of these then.
    told = (*surroundings(systemd.must("systemctl", "cat", UNIT)), *map("{}=".format, _RESOLVED))
    same = "".join(f"{line}\n" for line in told) + lines(found)
    return Now(environment, {name: base64.b64decode(text) for name, text in credentials.items()}, same)


def load() -> None:
    """Have systemd read the unit files. Raises RaabError for a service that could not be started.

    In any case: it does not notice (NeedDaemonReload=) a folder of drop-ins that was not there before. But not while the service's own
    file is masked or missing: it would close the sockets that it keeps for the service.
    """
    state = on_disk(systemd.must("systemctl", "show", "--property=UnitPath", "--value").split())
    if state == "loaded":
        systemd.must("systemctl", "daemon-reload")
        state = systemd.show(UNIT, "LoadState").get("LoadState", "unknown")
    if state != "loaded":
        raise RaabError(f"{UNIT}: a start would fail, got LoadState={state}", f"systemctl status {UNIT}")


def on_disk(folders: Sequence[str]) -> str:
    """What LoadState= will be of the unit's file, which is the first of these folders' (systemd.unit(5)); its text systemd judges."""
    found = next((file for file in (Path(folder, UNIT) for folder in folders) if file.is_symlink() or file.exists()), None)
    if found is None or not found.exists():
        return "not-found"
    # A mask is a link to /dev/null, or an empty file.
    return "loaded" if found.is_file() and found.stat().st_size else "masked"


def directives() -> dict[str, Any]:
    """Those that make the environment and the credentials, with the drop-ins of every place, specifiers resolved: systemd's own reading."""
    path = f"/org/freedesktop/systemd1/unit/{UNIT.replace('.', '_2e')}"
    words = ("busctl", "--json=short", "get-property", "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Service", *_DIRECTIVES)
    found = [json.loads(line)["data"] for line in systemd.must(*words).splitlines()]
    return dict(zip(_DIRECTIVES, found, strict=True))


def surroundings(text: str) -> list[str]:
    """Of the unit with its drop-ins, as `systemctl cat` has them, what makes another unit's surroundings the same."""
    own = {"%n": UNIT, "%N": UNIT.partition(".")[0], "%p": UNIT.partition(".")[0]}
    found = sandbox.surroundings(sandbox.assignments(text.splitlines()))
    return [re.sub(r"%[%nNp]", lambda match: own.get(match[0], match[0]), line) for line in found]


def lines(found: Mapping[str, Any]) -> str:
    """The lines of a unit that gets the same environment and credentials."""
    told = [f"Environment={quoted(word)}" for word in found["Environment"]]
    told += [f"EnvironmentFile={'-' if optional else ''}{path}".replace("%", "%%") for path, optional in found["EnvironmentFiles"]]
    told += [f"{name}={quoted(word)}" for name in ("PassEnvironment", "UnsetEnvironment") for word in found[name]]
    for name in ("LoadCredential", "LoadCredentialEncrypted"):
        # systemd takes quotes for a part of these.
        told += [f"{name}={credential}:{path}".replace("%", "%%") for credential, path in found[name]]
    for credential, content in found["SetCredential"]:
        told.append(f"SetCredential={credential}:{''.join(f'{chr(92)}x{byte:02x}' for byte in content)}")
    for credential, content in found["SetCredentialEncrypted"]:
        told.append(f"SetCredentialEncrypted={credential}:{base64.b64encode(bytes(content)).decode()}")
    return "".join(f"{line}\n" for line in told)


def quoted(text: str) -> str:
    """One word of a unit file (systemd.syntax(7)): neither escapes nor specifiers of its own are left in it."""
    plain = {"\\": "\\\\", '"': '\\"', "%": "%%"}
    return '"' + "".join(plain.get(c, c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode())) for c in text) + '"'


def run(directives: str, command: str) -> tuple[bytes, str]:
    """Start a unit with these lines; return what its command printed, and why it failed if it did."""
    name = f"raab-now-{os.getpid()}.service"
    output, errors = os.memfd_create("output"), os.memfd_create("errors")
    file = _UNITS / name
    file.parent.mkdir(exist_ok=True)
    # Everybody can ask systemd for all of a unit, and of this one nothing that the service's own does not tell.
    file.write_text(
        f"[Unit]\nDescription=what {UNIT} would be started with\n[Service]\nType=oneshot\n{directives}LogLevelMax=warning\n"
        f"StandardOutput=file:/proc/{os.getpid()}/fd/{output}\nStandardError=file:/proc/{os.getpid()}/fd/{errors}\n"
        f"TimeoutStartSec={_SECONDS}\nExecStart={command}\n"
    )
    file.chmod(0o644)
    began = int(time.time())
    try:
        done = systemd.order("systemctl", "start", name, timeout=_SECONDS + 10)
    finally:
        file.unlink()
    said, complaint = content(output), content(errors).decode(errors="replace").strip()
    if not done.returncode:
        return said, ""
    systemd.order("journalctl", "--sync")
    told = systemd.order("journalctl", "--unit", name, "--output=cat", "--no-pager", f"--since=@{began}").stdout
    systemd.order("systemctl", "reset-failed", name)
    reasons = [line.partition(": ")[2] for line in told.splitlines() if line.startswith(name)]
    # What came of it follows, or is written before it by another process.
    first = next((reason for reason in reasons if not reason.startswith(_RESULTS)), done.stderr.strip())
    return said, complaint or first


def content(descriptor: int) -> bytes:
    """What was written to memory, which ends here."""
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(0)
        return stream.read()


def of_user(name: str) -> dict[str, str]:
    """What systemd makes of User= (get_user_creds_clean): no home that is none, no shell that is none."""
    if not name:
        return {}
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise RaabError(f"{UNIT}: a start would fail, got no user {name}", "systemd-sysusers") from None
    found = {"USER": entry.pw_name, "LOGNAME": entry.pw_name, "HOME": entry.pw_dir, "SHELL": entry.pw_shell}
    none = {"HOME": r"/*", "SHELL": r"|.*/(nologin|false|true)"}
    return {key: value for key, value in found.items() if not re.fullmatch(none.get(key, ""), value)}
