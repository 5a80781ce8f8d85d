"""What a start of the service would get, by systemd's own word: another unit with the same directives is started, and tells it."""

from __future__ import annotations

import base64
import glob
import json
import pwd
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from raab.errors import RaabError
from raab.host import systemd
from raab.host.paths import Paths
from raab.host.renewal.variables import lasting
from raab.host.units import inquiry, sandbox
from raab.host.units.sandbox import quoted

PYTHON = "/usr/bin/python3"
# What systemd makes of User=, unless the unit says something else; the twin has another user.
_OF_THE_USER = ("HOME", "LOGNAME", "SHELL", "USER")
_UNSAID = "raab: unsaid"
# As tell.py begins its line.
_TOLD = b"raab: "
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
    gets the same, as the same user and in the same sandbox. `made` are the names of variables that each process makes by itself, as a
    library does that LD_PRELOAD= puts into it."""

    environment: dict[str, str]
    credentials: dict[str, bytes]
    lines: str
    made: frozenset[str]


def now(paths: Paths) -> Now:
    """Asks systemd, after it has read changed unit files, as a reboot would have it. Raises RaabError for a unit that cannot be started,
    and with systemd's reason where it would fail before the service's own first word."""
    load(paths.unit)
    found = directives(paths.unit)
    # The unit's own lines first, which say nothing of these then.
    cat = sandbox.assignments(systemd.must("systemctl", "cat", paths.unit).splitlines())
    first = (*sandbox.resolved(paths, sandbox.surroundings(cat)), *map("{}=".format, _RESOLVED))
    same = "".join(f"{line}\n" for line in first) + lines(found)
    return given(paths, lines(found).splitlines(), found["User"], same)


def of_release(paths: Paths, release: Path) -> Now:
    """The same with a release that systemd need not know yet."""
    load(paths.unit)
    surroundings = sandbox.of_release(paths, release)
    every = surroundings.splitlines()
    user = [line.partition("=")[2] for line in every if line.startswith("User=")]
    return given(paths, effective(every), user[-1] if user else "", surroundings)


def effective(lines: Sequence[str]) -> list[str]:
    """Of a unit's lines those that make the environment and the credentials, without what a later one takes back by saying nothing."""
    found: list[str] = []
    for line in lines:
        name, _, value = line.partition("=")
        if name in _RESOLVED and not value.strip():
            found = [one for one in found if one.partition("=")[0] != name]
        elif name in _RESOLVED:
            found.append(line)
    return found


def given(paths: Paths, lines: Sequence[str], user: str, same: str) -> Now:
    """What systemd gives a unit with these lines, of that user; `same` are all lines of another that is to get it. Raises RaabError."""
    try:
        variables, made, credentials = told("".join(f"{line}\n" for line in lines))
    except RaabError as error:
        files = [line.removeprefix("EnvironmentFile=") for line in lines if line.startswith("EnvironmentFile=/")]
        missing = [f"EnvironmentFile={path}" for path in files if not glob.glob(path.replace("%%", "%"))]  # noqa: PTH207
        raise RaabError(
            f"{paths.unit}: a start would fail, got {', '.join([error.message, *missing])}",
            f"correct the unit or its drop-ins: systemctl cat {paths.name}",
        ) from None
    of = of_user(paths.unit, user)
    left = {name: of.get(name, "") if value == _UNSAID else value for name, value in lasting(variables).items()}
    environment = {name: value for name, value in left.items() if value or variables[name] != _UNSAID}
    return Now(environment, {name: base64.b64decode(text) for name, text in credentials.items()}, same, frozenset(made))


def told(lines: str) -> tuple[dict[str, str], list[str], dict[str, str]]:
    """What a unit with these lines gets: variables, the names of those that its process makes, and credentials in base64.

    Raises RaabError with systemd's reason for nothing.
    """
    said, why = inquiry.run(NOBODY + lines, f"{PYTHON} -IS {Path(__file__).absolute().with_name('tell.py')}")
    if why:
        raise RaabError(why)
    line = next((line for line in said.splitlines() if line.startswith(_TOLD)), b"")
    if not line:
        raise RaabError(f"{PYTHON} says nothing with these variables, or with what they put into it")
    variables, made, credentials = json.loads(line.removeprefix(_TOLD))
    return variables, made, credentials


def load(unit: str) -> None:
    """Have systemd read the unit files, where it has not since they were changed. Raises RaabError for a service that could not be started.

    But not while the service's own file is masked or missing: it would close the sockets that it keeps for the service.
    """
    told = systemd.must("systemctl", "show", "--property=UnitPath,UnitsLoadTimestamp", "--timestamp=unix")
    manager = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    folders = manager.get("UnitPath", "").split()
    state = on_disk(unit, folders)
    if state == "loaded":
        loaded = systemd.show(unit, "LoadState", "NeedDaemonReload", "FragmentPath", "DropInPaths")
        if not read_already(unit, loaded, folders, manager.get("UnitsLoadTimestamp", "")):
            systemd.must("systemctl", "daemon-reload")
            loaded = systemd.show(unit, "LoadState")
        state = loaded.get("LoadState", "unknown")
    if state != "loaded":
        raise RaabError(f"{unit}: a start would fail, got LoadState={state}", f"systemctl status {unit}")


def read_already(unit: str, loaded: Mapping[str, str], folders: Sequence[str], since: str) -> bool:
    """Whether systemd has read these very files since the last of them was changed: `loaded` is what it says of the unit, `since` the
    moment of its last reading, as @SECONDS since the epoch.

    Its own NeedDaemonReload= notices neither a folder of drop-ins that was not there before nor a file that another one with an older time
    was moved over. Reading all units again takes longer than anything else that an activation asks of systemd.
    """
    own = next((file for file in (Path(folder, unit) for folder in folders) if file.exists()), None)
    more = sandbox.drop_ins(unit, tuple(map(Path, folders)))
    moment = since.removeprefix("@")
    if own is None or not moment.isdecimal() or loaded.get("NeedDaemonReload") != "no":
        return False
    if loaded.get("FragmentPath") != str(own) or set(loaded.get("DropInPaths", "").split()) != set(map(str, more)):
        return False
    looked_at = {own, *more, *(file.parent for file in more)}
    return all(status.st_ctime < int(moment) for path in looked_at for status in (path.lstat(), path.stat()))


def on_disk(unit: str, folders: Sequence[str]) -> str:
    """What LoadState= will be of the unit's file, which is the first of these folders' (systemd.unit(5)); its text systemd judges."""
    found = next((file for file in (Path(folder, unit) for folder in folders) if file.is_symlink() or file.exists()), None)
    if found is None or not found.exists():
        return "not-found"
    # A mask is a link to /dev/null, or an empty file.
    return "loaded" if found.is_file() and found.stat().st_size else "masked"


def directives(unit: str) -> dict[str, Any]:
    """Those that make the environment and the credentials, with the drop-ins of every place, specifiers resolved: systemd's own reading."""
    # sd_bus_path_encode(3).
    path = "/org/freedesktop/systemd1/unit/" + re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):02x}", unit)
    words = ("busctl", "--json=short", "get-property", "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Service", *_DIRECTIVES)
    found = [json.loads(line)["data"] for line in systemd.must(*words).splitlines()]
    return dict(zip(_DIRECTIVES, found, strict=True))


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


def of_user(unit: str, name: str) -> dict[str, str]:
    """What systemd makes of User= (get_user_creds_clean): no home that is none, no shell that is none."""
    if not name:
        return {}
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise RaabError(f"{unit}: a start would fail, got no user {name}", "systemd-sysusers") from None
    found = {"USER": entry.pw_name, "LOGNAME": entry.pw_name, "HOME": entry.pw_dir, "SHELL": entry.pw_shell}
    none = {"HOME": r"/*", "SHELL": r"|.*/(nologin|false|true)"}
    return {key: value for key, value in found.items() if not re.fullmatch(none.get(key, ""), value)}
