"""What a variable of a service may be called, and what it may hold (systemd.exec(5), Environment=). Standard library only, and pure."""

from __future__ import annotations

import re

# What systemd makes for each process, and what one master leaves to the next, or left before it was taken out again (ADMIN_LISTENERS).
OF_THE_PROCESS = re.compile(
    r"INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|NOTIFY_SOCKET|WATCHDOG_\w+|LISTEN_\w+|MAINPID|MANAGERPID(FDID)?|PIDFILE|FDSTORE"
    r"|(CREDENTIALS|RUNTIME|STATE|CACHE|LOGS|CONFIGURATION)_DIRECTORY|MEMORY_PRESSURE_\w+|REMOTE_(ADDR|PORT)|TRIGGER_\w+|HANDOVER_\w+"
    r"|ADMIN_LISTENERS"
)
# By these the server would be another one than its settings say.
_SETTINGS = re.compile(r"RAAB_\w*|GUNICORN_CMD_ARGS", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_SETTING = re.compile(r"[a-z][a-z0-9_]{0,60}(\.[a-z][a-z0-9_]{0,60}){1,4}", re.ASCII)
WORDS = "a variable's name: letters, digits and underscores, no digit first, at most 128"
# Bytes: the kernel takes 128 KiB for one variable, and all of them are a few lines of a unit.
LARGEST = 32_768
# Bytes of a secret: all of a service's are a megabyte at most (systemd.exec(5), LoadCredential=).
LARGEST_SECRET = 65_536


def wrong(name: str) -> str:
    """Why no variable can be called so; empty for a name that one can have."""
    if not _NAME.fullmatch(name):
        return f"not {WORDS}"
    if _SETTINGS.fullmatch(name):
        return "raab's own: what it would say stands in setting.yaml"
    return "set by systemd, or by raab, for each process" if OF_THE_PROCESS.fullmatch(name) else ""


def wrong_stored(name: str) -> str:
    """The same of what a secret may be called: as a variable, or as the setting that it is."""
    return "" if _SETTING.fullmatch(name) else wrong(name)


def wrong_value(value: str) -> str:
    """Why systemd would not take the value as it stands; empty for one that it takes."""
    if len(value.encode(errors="replace")) > LARGEST:
        return f"more than {LARGEST} bytes"
    if bad := next((letter for letter in value if not _taken(ord(letter))), ""):
        return f"the character U+{ord(bad):04X}, which systemd takes for none of a variable's"
    return ""


def wrong_secret(content: bytes) -> str:
    """Why nothing can be a secret of this content; it is not in the text."""
    if not content.strip():
        return "nothing in it"
    if len(content) > LARGEST_SECRET:
        return f"more than {LARGEST_SECRET} bytes"
    if b"\0" in content:
        return "a NUL in it, which no variable can have"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return ""


def _taken(code: int) -> bool:
    """As utf8_is_valid and env_value_is_valid have it: no control characters but tab and newline, and what Unicode calls a character."""
    if code < 0x20 or code == 0x7F:
        return code in (0x09, 0x0A)
    return not (0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)
